"""What a screen of patterns lets through: all that a molecule contains, and little more."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem import QED

from pbgraph.structures import screen
from pbgraph.structures.atoms import parts_of
from pbgraph.structures.screen import Screen

MOLECULES = [
    "CCO",
    "C",
    "[Na+].[Cl-]",
    "[2H]C([2H])O",
    "[13CH4]",
    "*c1ccccc1",
    "C[N+](C)(C)CC(=O)[O-]",
    "O=[N+]([O-])c1ccc(cc1)N=[N+]=[N-]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "C1CC2CC1CC2C#N",
    "N->[Pt](Cl)(Cl)<-N",
    "C/C=C/C(=O)NC(=O)C=C",
    "c1ccc2c(c1)[nH]c1ccccc12",
]
PATTERNS = [
    "C",
    "[#6]",
    "[!#6]",
    "*",
    "[CH3]",
    "[D3]",
    "[X4]",
    "[R]",
    "[R2]",
    "[!R]",
    "[r5]",
    "[v4]",
    "[+]",
    "[-1]",
    "[13C]",
    "[2H]",
    "[C;!R]=[N;!R]",
    "C=!@C",
    "C@C",
    "C~N",
    "[N,O]#,=*",
    "cn",
    "[nH]",
    "C=C.C=C",
    "[$(CO)]",
    "[$(C=O),$(CN)]",
    "[$(CC(=O)[$(NC)])&!$(C#N)]",
    "[!$(CO)]",
    "[$(CO),C]",
    "[C;$(CO)]",
    "[$(C=O);$(CN)]",
    "[$([CH3])]-[$(c1ccccc1),$(C=O)]",
]


def compiled(smarts: list[str]) -> list[Chem.Mol]:
    return [Chem.MolFromSmarts(text) for text in smarts]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_everything_that_is_there_is_let_through(smiles: str) -> None:
    patterns = [*compiled(PATTERNS), *QED.StructuralAlerts, *QED.Acceptors]
    molecule = Chem.MolFromSmiles(smiles)
    for pattern, may_be in zip(patterns, Screen(patterns).passed(parts_of(molecule)), strict=True):
        assert may_be or not molecule.HasSubstructMatch(pattern), Chem.MolToSmarts(pattern)


def test_what_cannot_be_there_is_not_let_through() -> None:
    patterns = compiled(["S", "c", "C#N", "C=O", "[O-]", "N", "[CH]", "[R]", "CN", "CO", "CC", "[$(CN),$(C=O)]"])
    assert Screen(patterns).passed(parts_of(Chem.MolFromSmiles("CCO"))) == [False] * 9 + [True, True, False]


def test_hydrogens_that_are_atoms_count() -> None:
    for smiles in (["[H]/N=C/C", "CC=NC"], ["CC=NC", "[H]/N=C/C"]):
        known = Screen(compiled(["[NH1]", "[NH0]"]))
        found = {text: known.passed(parts_of(Chem.MolFromSmiles(text))) for text in smiles}
        assert found == {"[H]/N=C/C": [True, False], "CC=NC": [False, True]}


def test_atoms_of_one_kind_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Screen(compiled(PATTERNS))
    first = [known.passed(parts_of(Chem.MolFromSmiles(smiles))) for smiles in MOLECULES]
    assert [known.passed(parts_of(Chem.MolFromSmiles(smiles))) for smiles in MOLECULES] == first
    assert [known.passed(parts_of(Chem.MolFromSmiles(smiles))) for smiles in MOLECULES[::-1]] == first[::-1]
    monkeypatch.setattr(screen, "MOST_KNOWN", 2)
    forgetful = Screen(compiled(PATTERNS))
    assert [forgetful.passed(parts_of(Chem.MolFromSmiles(smiles))) for smiles in MOLECULES] == first


@pytest.mark.parametrize(
    ("smarts", "inside"),
    [
        ("[$(CO)]", ["CO"]),
        ("[$(C(=O)[$(N,O)]),$(CN)&!$(C#N);!$(CS)]", ["C(=O)[$(N,O)]", "CN"]),
        ("[$(CO),C]", []),
        ("[C,$(CO)]", []),
        ("[!$(CO)]", []),
        ("[C;$(CO)]", []),
        ("C", []),
        ("[#6]", []),
    ],
)
def test_surroundings_are_what_one_of_must_be_there(smarts: str, inside: list[str]) -> None:
    assert screen._surroundings(smarts) == inside
