"""Repeated cross-validation: every molecule tested once per repeat, and no compound on two sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.MolStandardize.rdMolStandardize import LargestFragmentChooser

from few_molecules import FORMS_OF_ONE, SMILES, assert_partition, molecules, parts, some
from pbgraph.errors import UsageError
from pbgraph.molecules import Molecules
from pbgraph.plans.plan import plan
from pbgraph.splits import CV5X5


def parent(smiles: str) -> str:
    largest = LargestFragmentChooser(preferOrganic=False).choose(Chem.MolFromSmiles(smiles))
    return str(Chem.MolToInchiKey(largest)[:14])


@given(some.map(lambda smiles: [*smiles, *SMILES]), st.integers(0, 4))
@settings(max_examples=15)
def test_the_folds_of_a_repeat_test_every_molecule_once_and_divide_no_parent(smiles: list[str], repeat: int) -> None:
    splits = [CV5X5.split(molecules(smiles), 5 * repeat + fold) for fold in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in splits])), np.arange(len(smiles)))
    parents = {text: parent(text) for text in set(smiles)}
    for split in splits:
        assert_partition(split, len(smiles))
        train, valid, test = ({parents[smiles[row]] for row in part} for part in parts(split))
        assert not train & valid
        assert not (train | valid) & test


def test_folds_of_tox21_have_the_sizes_stated_and_repeats_differ(tox21: Molecules) -> None:
    splits = [CV5X5.split(tox21, seed) for seed in range(10)]
    for split in splits:
        assert [len(part) / len(tox21) for part in parts(split)] == pytest.approx([0.7, 0.1, 0.2], abs=0.001)
    first, second = ({frozenset(split.test.tolist()) for split in splits[at : at + 5]} for at in (0, 5))
    assert len(first | second) == 10


@pytest.mark.parametrize("seed", [25, 68, -1])
def test_other_seeds_are_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"'cv5x5' takes seeds 0 to 24, but got {seed}; give all .* --seeds 0-24"):
        CV5X5.split(molecules(SMILES + FORMS_OF_ONE), seed)


def test_a_plan_with_other_seeds_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="takes seeds 0 to 24, but got 68"):
        plan("tox21", split="cv5x5")
    assert {spec.split_seed for spec in plan("tox21", split="cv5x5", seeds=range(25)).specs} == set(range(25))
