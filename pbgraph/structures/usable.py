"""Which of many structures can be used, and why not the others; kept in the cache: a second start needs no RDKit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pbgraph.files.cache import cached
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import MAX_ATOMS, MAX_CHARACTERS, examined, reasons, structures_key

VERSION = 2  # of the rules by which structures are rejected
PARSING = 0.00015  # seconds that a structure takes
EXAMINING = 0.0004  # seconds that a structure takes


def unusable(dataset: str, smiles: Sequence[str]) -> dict[int, str]:
    """`reasons` against the structures of a known file, by row; rows that can be used are left out.

    dataset  name of the data set, for the cache
    """
    key = {"version": VERSION, **structures_key(smiles)}
    content = cached(f"{dataset}-rejected", key, lambda: msgspec.json.encode(_unusable(smiles)))
    return msgspec.json.decode(content, type=dict[int, str])


def within_limits(dataset: str, smiles: Sequence[str]) -> list[tuple[str | None, str]]:
    """`examined` structures of anybody's file: (why it cannot be used or None, canonical SMILES) of each row.

    dataset  name of the data set, for the cache
    """
    key = {"version": VERSION, "most": MAX_ATOMS, "longest": MAX_CHARACTERS, **structures_key(smiles)}
    content = cached(f"{dataset}-structures", key, lambda: msgspec.json.encode(_within_limits(smiles)))
    return msgspec.json.decode(content, type=list[tuple[str | None, str]])


def _unusable(smiles: Sequence[str]) -> dict[int, str]:
    parts = in_parts(_reasons, smiles, seconds_each=PARSING)
    return {row: reason for part in parts for row, reason in part.items()}


def _reasons(smiles: Sequence[str], first: int) -> dict[int, str]:
    return {row: reason for row, reason in enumerate(reasons(smiles), first) if reason is not None}


def _within_limits(smiles: Sequence[str]) -> list[tuple[str | None, str]]:
    return [structure for part in in_parts(_examined, smiles, seconds_each=EXAMINING) for structure in part]


def _examined(smiles: Sequence[str], first: int) -> list[tuple[str | None, str]]:
    return examined(smiles)
