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


def examined(smiles: str, *, most_atoms: int) -> tuple[str | None, str]:
    """(why a structure cannot be used, or None; its canonical SMILES, or "").

    most_atoms  heavy atoms: one with more is refused, since RDKit's scaffolds and descriptors of it take minutes

    >>> examined("OCC", most_atoms=3), examined("CCCC", most_atoms=3)
    ((None, 'CCO'), ('4 heavy atoms, more than the 3 that a molecule may have here', ''))
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        return why_not(smiles), ""
    atoms = molecule.GetNumHeavyAtoms()
    if atoms > most_atoms:
        return f"{atoms} heavy atoms, more than the {most_atoms} that a molecule may have here", ""
    return None, Chem.MolToSmiles(molecule)
