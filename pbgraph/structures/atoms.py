"""What RDKit says of each atom and bond of a molecule, asked once: every question is a call from Python into C++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Parts:
    """A molecule of n atoms and m bonds, hydrogens left out that are part of another atom.

    atoms, bonds  RDKit's own
    elements, aromatic, charges, hydrogens, degrees, rings  n of each; rings: how many an atom is in
    ends          m pairs of atoms
    kinds         all of these of an atom, its isotope, its valence, and its hydrogens with those that are atoms, as one
                  value
    bond_kinds    of a bond, its type, aromaticity, and whether it is in a ring
    """

    atoms: list[Any]
    bonds: list[Any]
    elements: list[int]
    aromatic: list[bool]
    charges: list[int]
    hydrogens: list[int]
    degrees: list[int]
    rings: list[int]
    ends: list[tuple[int, int]]
    kinds: list[tuple[Any, ...]]
    bond_kinds: list[tuple[Any, ...]]


def parts_of(molecule: Any) -> Parts:
    """Ask for all of it."""
    atoms, bonds = list(molecule.GetAtoms()), list(molecule.GetBonds())
    elements = [atom.GetAtomicNum() for atom in atoms]
    aromatic = [atom.GetIsAromatic() for atom in atoms]
    charges = [atom.GetFormalCharge() for atom in atoms]
    hydrogens = [atom.GetTotalNumHs() for atom in atoms]
    degrees = [atom.GetDegree() for atom in atoms]
    rings = list(map(molecule.GetRingInfo().NumAtomRings, range(len(atoms))))
    others = [(atom.GetIsotope(), atom.GetTotalValence(), atom.GetTotalNumHs(True)) for atom in atoms]
    return Parts(
        atoms=atoms,
        bonds=bonds,
        elements=elements,
        aromatic=aromatic,
        charges=charges,
        hydrogens=hydrogens,
        degrees=degrees,
        rings=rings,
        ends=[(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds],
        kinds=list(zip(elements, aromatic, charges, hydrogens, degrees, rings, others, strict=True)),
        bond_kinds=[(bond.GetBondType(), bond.GetIsAromatic(), bond.IsInRing()) for bond in bonds],
    )
