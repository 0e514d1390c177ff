"""Splits: partitions, reproducible, and the same as the protocols they claim to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmilesFromSmiles

from pbgraph.datasets.base import Molecules
from pbgraph.errors import UsageError
from pbgraph.splits import RANDOM, SCAFFOLD, SPLITS, Split

SMILES = (
    *("c1ccccc1", "Cc1ccccc1", "Oc1ccccc1", "Nc1ccccc1Cl", "CCO", "CC(=O)O", "[Zn+2]", "CCCCN", "C1CCCCC1"),
    *("OC1CCCCC1", "C1CCNCC1", "CN1CCNCC1", "c1ccncc1", "Cc1ccncc1", "c1ccc2ccccc2c1", "Oc1ccc2ccccc2c1"),
    *("c1ccc2[nH]ccc2c1", "O=C(c1ccccc1)c1ccccc1", "C1=CCCCC1", "C[C@H]1CC[C@@H](O)CC1", "c1ccsc1", "Cc1cccs1"),
    *("C1CC1", "OC(=O)C1CC1", "c1ccc(-c2ccccc2)cc1", "c1ccc(Oc2ccccc2)cc1", "O=c1cc[nH]c(=O)[nH]1", "[Na+].[Cl-]"),
    *("Brc1ccccc1", "C1COCCO1"),
)
SCAFFOLDS = {smiles: MurckoScaffoldSmilesFromSmiles(smiles, includeChirality=False) for smiles in SMILES}


def molecules(smiles: tuple[str, ...]) -> Molecules:
    n = len(smiles)
    ids = tuple(f"M{i}" for i in range(n))
    return Molecules("few", "0" * 64, ("a",), ids, smiles, np.arange(n), np.zeros((n, 1), np.float32), ())


def assert_partition(split: Split, n: int) -> None:
    np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.valid, split.test])), np.arange(n))
    assert {part.dtype for part in (split.train, split.valid, split.test)} == {np.dtype(np.int64)}


@given(st.integers(0, 300), st.integers(0, 2**31))
def test_random_is_the_protocols_permutation(n: int, seed: int) -> None:
    split = RANDOM.split(molecules(("C",) * n), seed)
    assert_partition(split, n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    assert [*split.train, *split.valid, *split.test] == order
    assert (len(split.train), len(split.valid)) == (int(0.8 * n), int(0.1 * n))


@given(st.lists(st.sampled_from(SMILES), max_size=25))
@settings(max_examples=50)
def test_scaffold_is_a_sorted_partition_that_never_divides_a_scaffold(smiles: list[str]) -> None:
    split = SCAFFOLD.split(molecules(tuple(smiles)), None)
    assert_partition(split, len(smiles))
    for part in (split.train, split.valid, split.test):
        assert sorted(part) == list(part)
    train, valid, test = ({SCAFFOLDS[smiles[i]] for i in part} for part in (split.train, split.valid, split.test))
    assert train.isdisjoint(valid | test)
    assert valid.isdisjoint(test)
    assert len(split.train) <= 0.8 * len(smiles)


def test_scaffold_of_thirty_molecules_is_deepchems() -> None:
    """The index sets that DeepChem 2.8.0's ScaffoldSplitter gave for these molecules."""
    split = SCAFFOLD.split(molecules(SMILES), None)
    assert split.test.tolist() == [10, 11, 16]
    assert split.valid.tolist() == [17, 18, 24]
    assert_partition(split, 30)


def test_splits_of_tox21_are_the_verified_ones(tox21: Molecules) -> None:
    """Hashes of index arrays: scaffold as found equal to DeepChem 2.8.0's, random as the protocol defines it."""
    scaffold, random = SCAFFOLD.split(tox21, None), RANDOM.split(tox21, 68)
    assert scaffold.sha256 == "66fe5d2975c2f78d4a18c7e0fe3ce6ad5e99bc5a861a0a4f9308c35a41880b50"
    assert random.sha256 == "d5129c3077352efc272e652d0c102efe04a80e9cc49ebe146c2b5ee0343d750e"
    for split in (scaffold, random):
        assert (len(split.train), len(split.valid), len(split.test)) == (6258, 782, 783)


def test_scaffold_of_tox21_equals_deepchems(tox21: Molecules) -> None:
    reason = "deepchem is not installed: parity of the scaffold split with its ScaffoldSplitter was skipped"
    deepchem = pytest.importorskip("deepchem", reason=reason)
    ids = np.array(tox21.smiles, dtype=object)
    parts = deepchem.splits.ScaffoldSplitter().split(deepchem.data.NumpyDataset(X=np.zeros((len(ids), 1)), ids=ids))
    split = SCAFFOLD.split(tox21, None)
    for ours, theirs in zip((split.train, split.valid, split.test), parts, strict=True):
        np.testing.assert_array_equal(ours, np.sort(theirs))


def test_seeds_are_for_seeded_splits_alone() -> None:
    with pytest.raises(UsageError, match="takes no seed, but got 68"):
        SCAFFOLD.split(molecules(SMILES), 68)
    with pytest.raises(UsageError, match="needs a seed"):
        RANDOM.split(molecules(SMILES), None)
    assert (RANDOM.seeded, SCAFFOLD.seeded) == (True, False)


def test_the_hash_tells_parts_and_order_apart() -> None:
    one, two, three = (np.array(part, dtype=np.int64) for part in ([0, 1], [2], [3]))
    same = Split(one.copy(), two, three)
    assert Split(one, two, three).sha256 == same.sha256
    assert (
        len(
            {
                s.sha256
                for s in (same, Split(one[::-1], two, three), Split(one, three, two), Split(one[:1], one[1:], two))
            }
        )
        == 4
    )


def test_splits_are_registered() -> None:
    assert {name: SPLITS.get(name) for name in ("random", "scaffold")} == {"random": RANDOM, "scaffold": SCAFFOLD}
