"""Groups of molecules that a split keeps together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

from pbgraph.streams import generator

Key = TypeVar("Key", int, str)
Group = list[int]


def grouped(keys: Sequence[Key]) -> list[Group]:
    """The rows of each key, ascending, in the order of the keys: the same groups whatever the order of the rows.

    >>> grouped(["b", "a", "b"])
    [[1], [0, 2]]
    """
    groups: dict[Key, Group] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return [rows for _, rows in sorted(groups.items())]


def shuffled(groups: Sequence[Group], seed: int, stream: str) -> list[Group]:
    """The groups in the random order that this stream of the seed gives."""
    import torch

    return [groups[i] for i in torch.randperm(len(groups), generator=generator(seed, stream)).tolist()]


def filled(groups: Iterable[Group], *limits: float) -> list[Group]:
    """Sorted rows of len(limits) + 1 parts: each group in turn goes whole into the first part it fits in.

    It fits in part i if it and all rows of parts 0 to i so far are at most limits[i]; the last part takes what fits
    nowhere. A group that comes later may still find place in an earlier part.

    >>> filled([[0, 1, 2], [3, 4], [5]], 4, 5)
    [[0, 1, 2, 5], [3, 4], []]
    """
    parts: list[Group] = [[] for _ in range(len(limits) + 1)]
    for group in groups:
        held = accumulate(len(part) for part in parts)
        fits = (i for i, (rows, limit) in enumerate(zip(held, limits, strict=False)) if rows + len(group) <= limit)
        parts[next(fits, -1)] += group
    return [sorted(part) for part in parts]
