"""How similar molecules are to the most similar training molecule, and whether one of the same compound is among these.

By the fingerprints of `pbgraph.features.similarity`: Tanimoto similarity of circular neighbourhoods counted up to three
times. Nothing here needs torch, so that tables can be made by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from pbgraph.features.fingerprints import MOST, counted
from pbgraph.files.cache import cached
from pbgraph.files.hashing import sha256
from pbgraph.molecules import Molecules
from pbgraph.structures.facts import describe
from pbgraph.structures.smiles import silence, structures_key

VERSION = 1  # of what is kept; raise it when the same molecules would get other numbers


@dataclass(frozen=True)
class Nearness:
    """Of m molecules.

    similarity  to the most similar training molecule, in [0, 1]
    relative    whether a training molecule has the same parent compound: is it, a salt or a stereoisomer of it
    """

    similarity: tuple[float, ...]
    relative: tuple[bool, ...]


def nearness(
    molecules: Molecules, rows: np.ndarray, train: np.ndarray, *, done: Callable[[int], None] = lambda _: None
) -> Nearness:
    """Of the molecules with numbers `rows`, to those with numbers `train`; both (n,) int, kept in the cache.

    done  told how many molecules more were compared
    """
    numbers = np.concatenate([[len(rows), len(train)], rows, train]).astype("<i8")
    key = {"version": VERSION, "counts": MOST, "numbers": sha256(numbers.tobytes()), **structures_key(molecules.smiles)}
    content = cached(
        f"{molecules.dataset}-nearness", key, lambda: msgspec.json.encode(_nearness(molecules, rows, train, done))
    )
    return msgspec.json.decode(content, type=Nearness)


def _nearness(molecules: Molecules, rows: np.ndarray, train: np.ndarray, done: Callable[[int], None]) -> Nearness:
    from rdkit import DataStructs

    parents = [structure.parent for structure in describe(molecules)]
    known, others = {parents[row] for row in train}, _bits(molecules, train)
    similarity = []
    for one in _bits(molecules, rows):
        similarity.append(max(DataStructs.BulkTanimotoSimilarity(one, others), default=0.0))
        done(1)
    return Nearness(tuple(similarity), tuple(parents[row] in known for row in rows))


def _bits(molecules: Molecules, rows: np.ndarray) -> list[Any]:
    from rdkit import DataStructs

    with silence():
        packed = [np.packbits(bits).tobytes() for bits in counted([molecules.smiles[row] for row in rows])]
    return [DataStructs.CreateFromFPSText(row.hex()) for row in packed]
