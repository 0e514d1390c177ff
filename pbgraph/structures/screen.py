"""Which of many SMARTS patterns a molecule may contain: those of whose every bond, and every atom, it has one.

A pattern that is not let through is nowhere in the molecule; one that is may be. What an atom or bond of a pattern asks
for is decided by RDKit, once for every kind of atom or bond: two are of one kind if all is equal that the questions are
about. What asks for more, such as for surroundings, is taken to be there; where a pattern is a single atom that asks
for surroundings alone, `[$(...),$(...)]`, one of these has to be let through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from pbgraph.structures.atoms import Parts

OF_ATOMS = (  # what a query may be about whose answer the kind of an atom decides
    *("AtomAnd", "AtomOr", "AtomNull", "AtomType", "AtomAtomicNum", "AtomIsAromatic", "AtomIsAliphatic"),
    *("AtomFormalCharge", "AtomIsotope", "AtomHCount", "AtomExplicitDegree", "AtomTotalDegree", "AtomTotalValence"),
    *("AtomInNRings", "AtomInRing"),
)
OF_BONDS = ("BondAnd", "BondOr", "BondNull", "BondOrder", "SingleOrAromaticBond", "BondInRing")
MOST_KNOWN = 50_000  # kinds whose answers are remembered
Edge = tuple[int, int, int]  # numbers of questions: of one end, of the bond, of the other end


class Screen:
    """Some patterns, as questions that their atoms and bonds ask; bits of a number say which of them are answered."""

    def __init__(self, patterns: Sequence[Any]) -> None:
        self._atoms, self._bonds = _Questions(OF_ATOMS), _Questions(OF_BONDS)
        self._edges: dict[Edge, int] = {}
        needs = [[self._needed(one) for one in _alternatives(pattern)] for pattern in patterns]
        self._atom_bits = self._atoms.bits
        joined = [[atoms | edges << self._atom_bits for atoms, edges in alternatives] for alternatives in needs]
        self._first = [alternatives[0] for alternatives in joined]
        self._others = {place: alternatives[1:] for place, alternatives in enumerate(joined) if len(alternatives) > 1}
        self._of_edge: dict[tuple[int, int, int], int] = {}

    def _needed(self, pattern: Any) -> tuple[int, int]:
        """Bits of the atoms and of the edges that there must be."""
        atoms = [self._atoms.number(atom) for atom in pattern.GetAtoms()]
        edges = 0
        for bond in pattern.GetBonds():
            edge = (atoms[bond.GetBeginAtomIdx()], self._bonds.number(bond), atoms[bond.GetEndAtomIdx()])
            edges |= 1 << self._edges.setdefault(edge, len(self._edges))
        return sum({1 << number for number in atoms}), edges

    def passed(self, parts: Parts) -> list[bool]:
        """Of each pattern, whether a molecule with these parts may contain it."""
        of_atom = list(map(self._atoms.answered, parts.atoms, parts.kinds))
        of_bond = map(self._bonds.answered, parts.bonds, parts.bond_kinds)
        known, edges = self._of_edge, 0
        for (one, other), bond in zip(parts.ends, of_bond, strict=True):
            edge = of_atom[one], bond, of_atom[other]
            edges |= known[edge] if edge in known else self._edge(*edge)
        there = reduce(or_, of_atom, edges << self._atom_bits)
        passed = [need & there == need for need in self._first]
        for place, needs in self._others.items():
            passed[place] = passed[place] or any(need & there == need for need in needs)
        return passed

    def _edge(self, one: int, bond: int, other: int) -> int:
        """Which edges of patterns one of a molecule matches, by what its atoms and the bond between them answer."""
        answered = 0
        for (a, b, c), number in self._edges.items():
            if bond >> b & 1 and ((one >> a & other >> c & 1) or (other >> a & one >> c & 1)):
                answered |= 1 << number
        _keep(self._of_edge, (one, bond, other), answered)
        return answered


class _Questions:
    """Distinct queries of atoms or of bonds, and what kinds of atoms or bonds answer. Number 0 is always answered.

    allowed  what a query may be about, in RDKit's words
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)
        self._numbers: dict[str, int] = {}
        self._asking: list[Any] = []
        self._answers: dict[tuple[Any, ...], int] = {}

    @property
    def bits(self) -> int:
        """How many bits the answers have."""
        return 1 + len(self._asking)

    def number(self, query: Any) -> int:
        """The number of a query; 0 of one that is about more than the kind."""
        words = query.DescribeQuery() if query.HasQuery() else ""
        if not words or not self._allowed.issuperset(line.split()[0] for line in words.splitlines() if line.strip()):
            return 0
        if words not in self._numbers:
            self._asking.append(query)
            self._numbers[words] = len(self._asking)
        return self._numbers[words]

    def answered(self, value: Any, kind: tuple[Any, ...]) -> int:
        """The queries that an atom or bond of this kind matches."""
        found = self._answers.get(kind)
        if found is None:
            found = 1 + sum(2 << number for number, query in enumerate(self._asking) if query.Match(value))
            _keep(self._answers, kind, found)
        return found


def _keep(known: dict[Any, int], key: tuple[Any, ...], answered: int) -> None:
    """Remember an answer; where there are very many, as of a file that means harm, the earlier ones are forgotten."""
    if len(known) >= MOST_KNOWN:
        known.clear()
    known[key] = answered


def _alternatives(pattern: Any) -> list[Any]:
    """The pattern itself; or those of which a single atom asks for one, whichever it is."""
    from rdkit import Chem

    inner = _surroundings(Chem.MolToSmarts(pattern)) if pattern.GetNumAtoms() == 1 else []
    return [Chem.MolFromSmarts(smarts) for smarts in inner] or [pattern]


def _surroundings(smarts: str) -> list[str]:
    """What stands in [$(...),$(...)], with conditions after each and after all; none where that is not all there is.

    >>> _surroundings("[$(CC(=O)[$(NO)]),$(CN)&!$(C#N);!$(CS)]"), _surroundings("[$(CN),C]")
    (['CC(=O)[$(NO)]', 'CN'], [])
    """
    first = _split(smarts[1:-1], ";")[0]
    parts = [_split(part, "&")[0] for part in _split(first, ",")]
    if not smarts.startswith("[") or not all(re.fullmatch(r"\$\(.*\)", part) for part in parts):
        return []
    return [part[2:-1] for part in parts]


def _split(text: str, separator: str) -> list[str]:
    """At separators that are in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == separator and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts
