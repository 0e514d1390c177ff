"""Molecule graphs: an atom is a node, a bond two directed edges.

Columns of an atom: one-hot symbol (16, the last for all others), one-hot number of neighbours 0-10, formal charge,
radical electrons, one-hot hybridisation (SP, SP2, SP3, SP3D, SP3D2, other), aromatic, [`graph` alone: one-hot
number of hydrogens 0-4], CIP label R, CIP label S, may be a stereocentre.
Columns of a bond: single, double, triple, aromatic, conjugated, in a ring, one-hot stereo (none, any, Z, E).

A molecule is read once, into one tuple per atom and bond; there are so few distinct tuples (168 and 15 in Tox21) that
features are made per distinct tuple, not per atom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.graph import GraphStore
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import parsed

SYMBOLS = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I", "At", "other")
DEGREES = tuple(range(11))
HYBRIDISATIONS = ("SP", "SP2", "SP3", "SP3D", "SP3D2", "other")
HYDROGENS = tuple(range(5))
CHIRALITIES = ("R", "S")
BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
STEREO = ("STEREONONE", "STEREOANY", "STEREOZ", "STEREOE")

PAPER_NODE_DIM = len(SYMBOLS) + len(DEGREES) + 2 + len(HYBRIDISATIONS) + 1 + len(CHIRALITIES) + 1  # 39
NODE_DIM = PAPER_NODE_DIM + len(HYDROGENS)  # 44
EDGE_DIM = len(BONDS) + 2 + len(STEREO)  # 10

SECONDS_EACH = 0.0004  # that reading a molecule takes

AtomCode = tuple[str, int, int, int, Any, bool, int, str, bool]
BondCode = tuple[Any, bool, bool, Any]


def _atom_code(atom: Any) -> AtomCode:
    return (
        atom.GetSymbol(),
        atom.GetDegree(),
        atom.GetFormalCharge(),
        atom.GetNumRadicalElectrons(),
        atom.GetHybridization(),
        atom.GetIsAromatic(),
        atom.GetTotalNumHs(),
        atom.GetProp("_CIPCode") if atom.HasProp("_CIPCode") else "",
        bool(atom.HasProp("_ChiralityPossible")),
    )


def _bond_code(bond: Any) -> BondCode:
    return bond.GetBondType(), bond.GetIsConjugated(), bond.IsInRing(), bond.GetStereo()


def _one_hot(value: object, choices: Sequence[object]) -> list[float]:
    """1 at the value's place; any value that is no choice counts as the last."""
    place = choices.index(value) if value in choices else len(choices) - 1
    return [float(place == i) for i in range(len(choices))]


def _paper_atom_row(code: AtomCode) -> list[float]:
    """39 columns: the TrimNet authors' `atom_attr` with its default arguments."""
    return _constitution(code) + _chirality(code)


def _atom_row(code: AtomCode) -> list[float]:
    """44 columns: the paper's and the number of hydrogens."""
    return _constitution(code) + _one_hot(code[6], HYDROGENS) + _chirality(code)


def _constitution(code: AtomCode) -> list[float]:
    symbol, degree, charge, radicals, hybridisation, aromatic, *_ = code
    return [
        *_one_hot(symbol, SYMBOLS),
        *_one_hot(degree, DEGREES),
        float(charge),
        float(radicals),
        *_one_hot(str(hybridisation), HYBRIDISATIONS),
        float(aromatic),
    ]


def _chirality(code: AtomCode) -> list[float]:
    *_, label, possible = code
    return [*(_one_hot(label, CHIRALITIES) if label else [0.0, 0.0]), float(possible)]


def _bond_row(code: BondCode) -> list[float]:
    """10 columns: the TrimNet authors' `bond_attr`; cis and trans double bonds count as E there, so here too."""
    kind, conjugated, ring, stereo = code
    return [
        *(float(str(kind) == choice) for choice in BONDS),
        float(conjugated),
        float(ring),
        *_one_hot(str(stereo), STEREO),
    ]


def _table(codes: Iterable[Any], row: Callable[[Any], list[float]], width: int) -> np.ndarray:
    return np.array([row(code) for code in codes], dtype=np.float32).reshape(-1, width)


@dataclass(frozen=True, eq=False)
class Codes:
    """Molecules as numbers of distinct codes, which are numbered in the order in which they are met.

    atoms, bonds  the distinct codes
    node_type     (N,) int64, the code of every atom
    bond_ends     (B, 3) int64: one atom, the other (numbered within the molecule), and the code of every bond
    counts        (G, 2) int64: atoms and bonds of every molecule
    """

    atoms: list[AtomCode]
    bonds: list[BondCode]
    node_type: np.ndarray
    bond_ends: np.ndarray
    counts: np.ndarray


def codes(smiles: Sequence[str], *, processes: int | None = None) -> Codes:
    """One pass over the molecules, in so many processes; see `parallel.in_parts`.

    Raises DataError, naming its position and the SMILES, for what RDKit cannot parse.
    """
    return _merged(in_parts(_codes, smiles, seconds_each=SECONDS_EACH, processes=processes))


def _codes(smiles: Sequence[str], first: int) -> Codes:
    """The codes of a part of the molecules; first is the position of its first one."""
    atoms: dict[AtomCode, int] = {}
    bonds: dict[BondCode, int] = {}
    node_type: list[int] = []
    ends: list[tuple[int, int, int]] = []
    counts: list[tuple[int, int]] = []
    for molecule in parsed(smiles, first=first):
        node_type += [atoms.setdefault(_atom_code(atom), len(atoms)) for atom in molecule.GetAtoms()]
        ends += [
            (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bonds.setdefault(_bond_code(bond), len(bonds)))
            for bond in molecule.GetBonds()
        ]
        counts.append((molecule.GetNumAtoms(), molecule.GetNumBonds()))
    return Codes(
        atoms=list(atoms),
        bonds=list(bonds),
        node_type=np.array(node_type, dtype=np.int64),
        bond_ends=np.array(ends, dtype=np.int64).reshape(-1, 3),
        counts=np.array(counts, dtype=np.int64).reshape(-1, 2),
    )


def _merged(parts: Iterable[Codes]) -> Codes:
    """The codes of all parts, in order, as one pass over all molecules would have numbered them."""
    atoms: dict[AtomCode, int] = {}
    bonds: dict[BondCode, int] = {}
    node_type, bond_ends, counts = [], [], []
    for part in parts:
        atom_numbers = np.array([atoms.setdefault(code, len(atoms)) for code in part.atoms], dtype=np.int64)
        bond_numbers = np.array([bonds.setdefault(code, len(bonds)) for code in part.bonds], dtype=np.int64)
        node_type.append(atom_numbers[part.node_type])
        bond_ends.append(np.column_stack([part.bond_ends[:, :2], bond_numbers[part.bond_ends[:, 2]]]))
        counts.append(part.counts)
    return Codes(list(atoms), list(bonds), np.concatenate(node_type), np.concatenate(bond_ends), np.concatenate(counts))


def _featurise(
    smiles: Sequence[str], y: np.ndarray, *, atom_row: Callable[[AtomCode], list[float]], node_dim: int
) -> GraphStore:
    """A number per distinct code first, then one row of features per number."""
    made = codes(smiles)
    node_counts, bond_counts = made.counts.T
    return GraphStore.from_codes(
        node_type=made.node_type.astype(np.int32),
        node_table=_table(made.atoms, atom_row, node_dim),
        edge_index=made.bond_ends[:, (0, 1, 1, 0)].reshape(-1, 2).T,
        edge_type=made.bond_ends[:, 2].repeat(2),
        edge_table=_table(made.bonds, _bond_row, EDGE_DIM),
        node_counts=node_counts,
        edge_counts=2 * bond_counts,
        y=y,
    )


GRAPH = Featuriser(
    name="graph",
    version=1,
    featurise=partial(_featurise, atom_row=_atom_row, node_dim=NODE_DIM),
    from_arrays=GraphStore.from_arrays,
    source="as trimnet-paper, with the hydrogen counts that the authors define and their default leaves out",
)

TRIMNET_PAPER = Featuriser(
    name="trimnet-paper",
    version=1,
    featurise=partial(_featurise, atom_row=_paper_atom_row, node_dim=PAPER_NODE_DIM),
    from_arrays=GraphStore.from_arrays,
    source="Li et al. 2021, doi:10.1093/bib/bbaa266; yvquanli/TrimNet@147ca4d, atom_attr and bond_attr",
)
