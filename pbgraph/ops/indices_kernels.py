"""Loops that look at index arrays before another kernel reads by them. Compiled by Numba."""

from __future__ import annotations

import numpy as np


def within(index: np.ndarray, limit: int) -> bool:
    """Whether every entry is in [0, limit)."""
    outside = 0
    for i in range(len(index)):
        outside |= (index[i] < 0) | (index[i] >= limit)
    return outside == 0


def partition(ptr: np.ndarray, total: int) -> bool:
    """Whether the entries cut [0, total) into consecutive slices: from 0 to total, never falling."""
    if ptr[0] != 0 or ptr[len(ptr) - 1] != total:
        return False
    falling = 0
    for i in range(len(ptr) - 1):
        falling |= ptr[i + 1] < ptr[i]
    return falling == 0
