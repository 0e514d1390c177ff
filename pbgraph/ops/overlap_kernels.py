"""Loops of `pbgraph.ops.overlap`. Compiled by Numba, with every operation rounded as it is written."""

from __future__ import annotations

import numpy as np


def tanimoto(
    similar: np.ndarray,
    ptr: np.ndarray,
    bits: np.ndarray,
    starts: np.ndarray,
    rows: np.ndarray,
    size: np.ndarray,
) -> None:
    """Fills similar (m, n); row i has bits[ptr[i] : ptr[i + 1]], and rows[starts[b] : starts[b + 1]] have bit b."""
    counts = np.zeros(similar.shape[1], dtype=np.int32)
    for i in range(len(similar)):
        counts[:] = 0
        for k in range(ptr[i], ptr[i + 1]):
            b = bits[k]
            for e in range(starts[b], starts[b + 1]):
                counts[rows[e]] += 1
        mine = float(ptr[i + 1] - ptr[i])
        for j in range(len(counts)):
            either = mine + size[j] - counts[j]
            similar[i, j] = counts[j] / either if either > 0 else 0.0


def largest(values: np.ndarray, order: np.ndarray) -> None:
    """Fills order (m, k): of each row of values (m, n), k at the most n, a list that is kept sorted as values come."""
    few = order.shape[1]
    for i in range(len(values)):
        known = 0
        for j in range(values.shape[1]):
            value = values[i, j]
            if known == few and value <= values[i, order[i, few - 1]]:
                continue
            place = min(known, few - 1)
            while place > 0 and values[i, order[i, place - 1]] < value:
                order[i, place] = order[i, place - 1]
                place -= 1
            order[i, place] = j
            known = min(known + 1, few)
