"""SMILES -> RDKit molecules, without RDKit's own lines on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

from pbgraph.errors import DataError


def rdkit_version() -> str:
    """Version of the installed RDKit; does not import it."""
    return version("rdkit")


def parsed(smiles: Iterable[str], first: int = 0) -> Iterator[Any]:
    """The sanitised molecule of each SMILES; RDKit keeps quiet until the last one is taken.

    first  position of the first one, where these are a part of more
    Raises DataError, naming the position (from 0) and the SMILES, for one that RDKit cannot parse.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        for position, text in enumerate(smiles, first):
            molecule = Chem.MolFromSmiles(text)
            if molecule is None:
                raise DataError(f"molecule {position}: {text!r}: {why_not(text)}; leave it out or correct it")
            yield molecule


def why_not(smiles: str) -> str | None:
    """Why a structure cannot be featurised, or None if it can.

    >>> why_not("C1CC"), why_not("CCO")
    ('not a valid SMILES', None)
    """
    from rdkit import Chem, rdBase

    if not smiles.strip():
        return "blank SMILES"
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is not None:
            return None if molecule.GetNumAtoms() else "no atoms"
        raw = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = [] if raw is None else Chem.DetectChemistryProblems(raw)
    more = f" (and {len(problems) - 1} problems more)" if len(problems) > 1 else ""
    return f"{problems[0].Message()}{more}" if problems else "not a valid SMILES"


def refusal(smiles: str, *, most_atoms: int) -> str | None:
    """Why a cell of a user's table cannot be used as a structure, or None if it can.

    most_atoms  heavy atoms: one with more is refused, since RDKit's scaffolds and descriptors of it take minutes

    >>> refusal("CCCC", most_atoms=3), refusal("C ethane", most_atoms=3)
    ('4 heavy atoms, more than the 3 that a molecule may have here', "text after the SMILES: 'ethane'")
    """
    return _molecule(smiles, most_atoms)[0]


def examined(smiles: str, *, most_atoms: int) -> tuple[str | None, str]:
    """(`refusal`; canonical SMILES, or "" for a refused one).

    >>> examined("OCC", most_atoms=3)
    (None, 'CCO')
    """
    from rdkit import Chem

    reason, molecule = _molecule(smiles, most_atoms)
    return reason, Chem.MolToSmiles(molecule) if reason is None else ""


def _molecule(smiles: str, most_atoms: int) -> tuple[str | None, Any]:
    from rdkit import Chem, rdBase

    words = smiles.split(maxsplit=1)
    if len(words) > 1:
        return f"text after the SMILES: {words[1]!r}", None
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        return why_not(smiles), None
    atoms = molecule.GetNumHeavyAtoms()
    if atoms > most_atoms:
        return f"{atoms} heavy atoms, more than the {most_atoms} that a molecule may have here", None
    return None, molecule
