"""Indices of molecular graphs that RDKit computes in Python, from few passes over atoms, bonds and distances.

Every value is RDKit's own, bit for bit: sums are taken in its order.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from pbgraph.structures.atoms import Parts

Values = dict[str, float]
DECIMALS = 1e4  # to which RDKit tells apart distances from an atom


def state_indices(molecule: Any, parts: Parts) -> np.ndarray:
    """I_i + Σ_j (I_i - I_j) / (d_ij + 1)², added up in the order of the atoms, atoms of other fragments left out.

    Source: Hall, Mohney & Kier 1991, doi:10.1021/ci00001a012, as RDKit's EState.EStateIndices has it.
    """
    from rdkit import Chem
    from rdkit.Chem.EState.EState import GetPrincipleQuantumNumber

    outer = Chem.GetPeriodicTable().GetNOuterElecs
    own = np.zeros(len(parts.atoms))
    for number, (element, degree, hydrogens) in enumerate(
        zip(parts.elements, parts.degrees, parts.hydrogens, strict=True)
    ):
        if degree:
            quantum = GetPrincipleQuantumNumber(element)  # type: ignore[no-untyped-call]
            own[number] = (4.0 / (quantum * quantum) * (outer(element) - hydrogens) + 1) / degree
    distance = Chem.GetDistanceMatrix(molecule, useBO=False, useAtomWts=False) + 1
    terms = np.where(distance < 1e6, (own[:, None] - own) / (distance * distance), 0.0)
    return np.asarray(np.cumsum(terms, axis=1)[:, -1] + own)


def information_contents(molecule: Any, parts: Parts) -> Values:
    """Information content of the characteristic polynomial of the graph (Bonchev & Trinajstic 1977), by Le Verrier."""
    from rdkit import Chem
    from rdkit.ML.InfoTheory import entropy

    atoms = molecule.GetNumAtoms()
    adjacent = np.equal(Chem.GetDistanceMatrix(molecule, False), 1).astype(float)
    product, identity, coefficients = adjacent, np.identity(atoms), np.ones(atoms + 1)
    for order in range(1, atoms + 1):
        coefficients[order] = 1.0 / order * product.trace()
        product = np.dot(adjacent, product - coefficients[order] * identity)
    sizes = abs(coefficients)
    content = entropy.InfoEntropy(sizes)  # type: ignore[attr-defined]
    return {"AvgIpc": content, "Ipc": sum(sizes) * content}


def distance_indices(molecule: Any, parts: Parts) -> Values:
    """BalabanJ = m / (m - n + 2) Σ_bonds (s_i s_j)^-½ of m bonds and n atoms, s the sums of an atom's distances.

    Source: Balaban 1982, doi:10.1016/0009-2614(82)80009-2.
    """
    from rdkit import Chem

    bonds, atoms = len(parts.bonds), len(parts.atoms)
    if bonds == 0 or bonds - atoms + 2 == 0:
        return {}
    sums = sum(_weighted_distances(molecule))
    one, other = np.nonzero(np.triu(Chem.GetAdjacencyMatrix(molecule, useBO=False, emptyVal=0, prefix="NoBO") == 1))
    total = np.cumsum(1.0 / np.sqrt(sums[one] * sums[other]))[-1]
    return {"BalabanJ": float(bonds) / float(bonds - atoms + 2) * total}


def _weighted_distances(molecule: Any) -> Any:
    """(n, n): each bond as long as one over its order."""
    from rdkit import Chem

    return Chem.GetDistanceMatrix(molecule, useBO=True, useAtomWts=False, force=False, prefix="Balaban")


def bond_complexity(molecule: Any, parts: Parts) -> Values:
    """BertzCT: information content of pairs of bonds, by the symmetry classes of their atoms, and of the elements.

    Source: Bertz 1981, doi:10.1021/ja00402a071, as RDKit's GraphDescriptors.BertzCT has it.
    """
    from rdkit.Chem import GraphDescriptors

    atoms = molecule.GetNumAtoms()
    if atoms < 2:
        return {"BertzCT": 0}
    orders: list[dict[int, float]] = [{} for _ in range(atoms)]
    for bond, (one, other), (_, aromatic, _) in zip(parts.bonds, parts.ends, parts.bond_kinds, strict=True):
        order = 1.5 if aromatic else bond.GetBondTypeAsDouble()
        orders[one][other] = orders[other][one] = order
    classes = _symmetry_classes(_weighted_distances(molecule))
    connections: dict[Any, float] = {}
    for atom, mine in enumerate(orders):
        neighbours = sorted(mine)
        for place, one in enumerate(neighbours):
            first = mine[one]
            if first > 1 and one > atom:
                pair = (min(classes[atom], classes[one]), max(classes[atom], classes[one]))
                connections[pair] = connections.get(pair, 0) + first * (first - 1) / 2
            for other in neighbours[place + 1 :]:
                low, high = min(classes[one], classes[other]), max(classes[one], classes[other])
                three = (low, classes[atom], high)
                connections[three] = connections.get(three, 0) + first * mine[other]
    elements = Counter(parts.elements)
    return {"BertzCT": GraphDescriptors._CalculateEntropies(connections or {"a": 1}, elements, atoms)}  # type: ignore[no-untyped-call]


def _symmetry_classes(distances: np.ndarray, nearest: int = 100) -> list[int]:
    """A number for each atom, equal for atoms from which the others, up to the 100 nearest, are at equal distances."""
    rows = np.rint(np.sort(distances, axis=1)[:, :nearest] * DECIMALS).astype(np.int64)
    known: dict[bytes, int] = {}
    return [known.setdefault(row.tobytes(), len(known) + 1) for row in rows]


def atom_counts(molecule: Any, parts: Parts) -> Values:
    """Electrons, and the connectivity indices Σ d_i^-½ over atoms and Σ (d_i d_j)^-½ over bonds, d the degrees.

    Source: Kier & Hall 1991, Reviews in Computational Chemistry 2, 367-422, equations 1 and 9 to 12.
    """
    from rdkit import Chem

    outer = Chem.GetPeriodicTable().GetNOuterElecs
    degrees = parts.degrees
    pairs = [degrees[one] * degrees[other] for one, other in parts.ends]
    return {
        "NumValenceElectrons": sum(map(outer, parts.elements)) - sum(parts.charges) + sum(parts.hydrogens),
        "NumRadicalElectrons": sum(atom.GetNumRadicalElectrons() for atom in parts.atoms),
        "Chi0": sum(np.sqrt(1.0 / np.array([degree for degree in degrees if degree], dtype=float))),
        "Chi1": sum(np.sqrt(1.0 / np.array(pairs, dtype=float))),
    }
