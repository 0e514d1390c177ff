"""Atoms and bonds against the authors' own features, a plain per-atom transcription, and known molecules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from pbgraph.errors import DataError
from pbgraph.features.graphs import GRAPH, HYDROGENS, SYMBOLS, TRIMNET_PAPER, codes
from pbgraph.graph import GraphBatch
from pbgraph.molecules import Molecules
from pbgraph.structures import parallel

pytestmark = pytest.mark.lengthy

SMILES = (
    "CCO",
    "[Zn+2]",
    "C",
    "[Na+].[Cl-]",
    "c1ccccc1",
    "C/C=C/C",
    "C/C=C\\C",
    "CC=CC",
    "C[C@H](O)F",
    "C[C@@H](O)F",
    "CC(O)F",
    "C[S@](=O)CC",
    "OC[C@H](O)[C@@H](O)[C@H](O)CO",
    "N#Cc1cc(C(=O)[O-])c[nH]1",
    "[CH3]",
    "FS(F)(F)(F)(F)F",
    "ClP(Cl)(Cl)(Cl)Cl",
    "[H][H]",
    "[BH4-]",
    "O=[N+]([O-])c1ccc2[se]ccc2c1",
    "C[Si](C)(C)C#C",
    "Nc1ccc(/N=N/c2ccccc2)cc1",
    "[Fe+2].[CH-]1C=CC=C1.[CH-]1C=CC=C1",
)


def batch_of(featuriser, smiles: list[str]) -> GraphBatch:
    return featuriser.featurise(smiles, np.zeros((len(smiles), 1))).as_batch()


SYMBOL_CHOICES = ["B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I", "At", "other"]


def one_hot(value: object, choices: list) -> list[bool]:
    return [(value if value in choices else choices[-1]) == choice for choice in choices]


def transcribed_atom(atom, hydrogens: bool) -> list[float]:
    kind = Chem.rdchem.HybridizationType
    chirality = [False, False]
    if atom.HasProp("_CIPCode"):
        chirality = one_hot(atom.GetProp("_CIPCode"), ["R", "S"])
    return [
        *one_hot(atom.GetSymbol(), SYMBOL_CHOICES),
        *one_hot(atom.GetDegree(), list(range(11))),
        atom.GetFormalCharge(),
        atom.GetNumRadicalElectrons(),
        *one_hot(atom.GetHybridization(), [kind.SP, kind.SP2, kind.SP3, kind.SP3D, kind.SP3D2, "other"]),
        atom.GetIsAromatic(),
        *(one_hot(atom.GetTotalNumHs(), [0, 1, 2, 3, 4]) if hydrogens else []),
        *chirality,
        atom.HasProp("_ChiralityPossible"),
    ]


def transcribed_bond(bond) -> list[float]:
    kind = Chem.rdchem.BondType
    return [
        *(bond.GetBondType() == choice for choice in (kind.SINGLE, kind.DOUBLE, kind.TRIPLE, kind.AROMATIC)),
        bond.GetIsConjugated(),
        bond.IsInRing(),
        *one_hot(str(bond.GetStereo()), ["STEREONONE", "STEREOANY", "STEREOZ", "STEREOE"]),
    ]


def assert_transcribed(featuriser, smiles: list[str], *, hydrogens: bool) -> None:
    batch = batch_of(featuriser, smiles)
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    atoms = [transcribed_atom(atom, hydrogens) for molecule in molecules for atom in molecule.GetAtoms()]
    np.testing.assert_array_equal(batch.x.numpy(), np.array(atoms, dtype=np.float32))
    edges, first = {}, 0
    for molecule in molecules:
        for bond in molecule.GetBonds():
            ends = first + bond.GetBeginAtomIdx(), first + bond.GetEndAtomIdx()
            edges[ends] = edges[ends[::-1]] = transcribed_bond(bond)
        first += molecule.GetNumAtoms()
    found = zip(batch.edge_index.T.tolist(), batch.edge_attr.tolist(), strict=True)
    assert {tuple(ends): row for ends, row in found} == edges
    assert batch.edge_index.shape[1] == len(edges)


@pytest.mark.parametrize(("featuriser", "hydrogens"), [(GRAPH, True), (TRIMNET_PAPER, False)])
def test_features_are_those_of_a_plain_transcription(featuriser, hydrogens: bool) -> None:
    assert_transcribed(featuriser, list(SMILES), hydrogens=hydrogens)


@pytest.mark.parametrize(("featuriser", "hydrogens"), [(GRAPH, True), (TRIMNET_PAPER, False)])
def test_features_of_every_twentieth_tox21_molecule(tox21: Molecules, featuriser, hydrogens: bool) -> None:
    assert_transcribed(featuriser, list(tox21.smiles[::20]), hydrogens=hydrogens)


def test_paper_features_equal_the_authors_golden_values(shared: Path, tox21: Molecules) -> None:
    golden = np.load(shared / "golden" / "trimnet_reference.npz", allow_pickle=False)
    of = dict(zip(tox21.mol_ids, tox21.smiles, strict=True))
    batch = batch_of(TRIMNET_PAPER, [of[str(name)] for name in golden["mol_id"]])
    order = np.lexsort(golden["edge_index"])
    np.testing.assert_array_equal(batch.x.numpy(), golden["x"])
    np.testing.assert_array_equal(batch.batch.numpy(), golden["batch"])
    np.testing.assert_array_equal(batch.edge_index.numpy(), golden["edge_index"][:, order])
    np.testing.assert_array_equal(batch.edge_attr.numpy(), golden["edge_attr"][order])


def test_known_molecules() -> None:
    batch = batch_of(GRAPH, ["[Zn+2]", "CO"])
    first_hydrogen = batch.x.shape[1] - 3 - len(HYDROGENS)
    assert batch.x.shape == (3, 44)
    assert batch.x[0, SYMBOLS.index("other")] == 1
    assert batch.x[0, 27] == 2  # formal charge
    assert batch.x[:, first_hydrogen : first_hydrogen + 5].argmax(dim=1).tolist() == [0, 3, 1]
    assert batch.edge_index.tolist() == [[2, 1], [1, 2]]
    assert batch.edge_attr.tolist() == [[1, 0, 0, 0, 0, 0, 1, 0, 0, 0]] * 2
    assert batch_of(TRIMNET_PAPER, ["CO"]).x.shape == (2, 39)


def test_two_faces_of_a_double_bond_and_of_a_stereocentre_differ() -> None:
    trans, cis = (batch_of(GRAPH, [smiles]).edge_attr[:, 6:].sum(dim=0).tolist() for smiles in ("C/C=C/C", "C/C=C\\C"))
    assert (trans, cis) == ([4, 0, 0, 2], [4, 0, 2, 0])
    right, left = (batch_of(GRAPH, [smiles]).x[:, -3:].sum(dim=0).tolist() for smiles in ("C[C@H](O)F", "C[C@@H](O)F"))
    assert sorted((right, left)) == [[0, 1, 1], [1, 0, 1]]


@given(st.sampled_from(SMILES), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_renumbering_atoms_renumbers_nodes(smiles: str, random) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    order = random.sample(range(molecule.GetNumAtoms()), molecule.GetNumAtoms())
    renumbered = Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False)
    one, other = batch_of(GRAPH, [smiles]), batch_of(GRAPH, [renumbered])
    assert sorted(one.x.tolist()) == sorted(other.x.tolist())
    assert sorted(one.edge_attr.tolist()) == sorted(other.edge_attr.tolist())


def test_a_molecule_does_not_depend_on_its_neighbours() -> None:
    together = GRAPH.featurise(SMILES, np.zeros((len(SMILES), 1)))
    for number, smiles in enumerate(SMILES):
        alone, among = batch_of(GRAPH, [smiles]), together.batch(np.array([number]))
        np.testing.assert_array_equal(alone.x, among.x)
        np.testing.assert_array_equal(alone.edge_index, among.edge_index)
        np.testing.assert_array_equal(alone.edge_attr, among.edge_attr)


def test_no_molecule_and_no_atom() -> None:
    assert batch_of(GRAPH, []).x.shape == (0, 44)
    batch = batch_of(GRAPH, ["", "C"])
    assert (batch.num_graphs, batch.node_ptr.tolist(), batch.edge_attr.shape) == (2, [0, 0, 1], (0, 10))


def test_what_rdkit_cannot_parse_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"molecule 1: 'C1CC': not a valid SMILES"):
        batch_of(GRAPH, ["C", "C1CC"])
    with pytest.raises(DataError, match=r"Explicit valence for atom # 0 C, 5"):
        batch_of(GRAPH, ["C(C)(C)(C)(C)C"])
    assert capfd.readouterr().err == ""


def test_several_processes_make_the_same_codes_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one = codes(SMILES)
    monkeypatch.setattr(parallel, "PART", 5)
    two = codes(SMILES, processes=2)
    assert (one.atoms, one.bonds) == (two.atoms, two.bonds)
    for name in ("node_type", "bond_ends", "counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert getattr(one, name).dtype == getattr(two, name).dtype


def test_a_process_names_the_position_in_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PART", 5)
    with pytest.raises(DataError, match="molecule 17: 'C1CC'"):
        codes(["C"] * 17 + ["C1CC"] + ["C"] * 10, processes=2)
