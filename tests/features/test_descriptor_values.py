"""Descriptors with shared work against RDKit's own, each by itself."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors

from pbgraph.features import descriptor_values as values_module
from pbgraph.features.descriptor_values import GROUPS, descriptor_names, descriptor_values
from pbgraph.structures.atoms import Parts, parts_of

UNUSUAL = [
    "C",
    "[H][H]",
    "[H+]",
    "[Zn+2]",
    "[Na+].[Cl-]",
    "*",
    "*CC*",
    "[2H]C([2H])([2H])O",
    "[13CH4]",
    "[CH3]",
    "FS(F)(F)(F)(F)F",
    "N->[Pt](Cl)(Cl)<-N",
    "[Fe+2].[CH-]1C=CC=C1.[CH-]1C=CC=C1",
    "C[Cr]C",
    "C1CC2CC1CC2",
    "C12C3C4C1C5C2C3C45",
    "C/C=C/[C@H](N)C(=O)O",
    "c1ccc2c(c1)[nH]c1ccccc12.Cl",
    "C" * 60,
    "P12P3P1P23",
]


def check(smiles: list[str]) -> None:
    """Bit for bit, in float64; a molecule for each, since RDKit keeps results with it."""
    names = descriptor_names()
    with rdBase.BlockLogs(), np.errstate(all="ignore"):
        for text in smiles:
            expected = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text), missingVal=math.nan)  # type: ignore[no-untyped-call]
            found = np.array(descriptor_values(Chem.MolFromSmiles(text)), dtype=np.float64)
            theirs = np.array([expected[name] for name in names], dtype=np.float64)
            np.testing.assert_array_equal(found, theirs, err_msg=text)


@pytest.mark.lengthy
def test_unusual_molecules_have_rdkits_values() -> None:
    check(UNUSUAL)


def test_a_sample_of_tox21_has_rdkits_values(tox21) -> None:  # type: ignore[no-untyped-def]
    check(list(islice(tox21.smiles, 3, None, 131)))


@pytest.mark.slow
def test_all_of_tox21_has_rdkits_values(tox21) -> None:  # type: ignore[no-untyped-def]
    check(list(tox21.smiles))


@pytest.mark.lengthy
def test_values_do_not_depend_on_what_was_read_before() -> None:
    alike = ["[H]/N=C/C", "CC=NC", "CCN=C(C)c1ccccc1", "[2H]C([2H])O", "ClC(Cl)O", "[2H]N(C)C", "CN(C)C"]
    for smiles in (alike, alike[::-1]):
        values_module._patterns_known.cache_clear()
        check(smiles)


@pytest.mark.lengthy
def test_most_values_come_from_shared_work() -> None:
    """What is left to RDKit's own functions: mostly counts and indices that it computes in C++."""
    aspirin = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")
    shared = {name for group in GROUPS for name in group(aspirin, parts_of(aspirin))}
    assert shared <= set(descriptor_names()) | {"SMR_VSA11", "SlogP_VSA13", "PEOE_VSA15"}
    assert len(set(descriptor_names()) - shared) < 70
    assert {"qed", "SPS", "Ipc", "BertzCT", "MaxEStateIndex", "MolLogP", "fr_benzene"} <= shared


@pytest.mark.lengthy
def test_a_group_that_fails_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(molecule: Chem.Mol, parts: Parts) -> dict[str, float]:
        raise RuntimeError("as RDKit does of a molecule")

    whole = descriptor_values(Chem.MolFromSmiles("CCN"))
    monkeypatch.setattr(values_module, "GROUPS", (fails, *GROUPS[1:]))
    assert descriptor_values(Chem.MolFromSmiles("CCN")) == whole
