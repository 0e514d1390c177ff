"""Loops of `pbgraph.ops.moments`: one pass for the means, one for the sums. Compiled by Numba."""

from __future__ import annotations

import numpy as np


def moments(a: np.ndarray, b: np.ndarray, mean: np.ndarray, sums: np.ndarray) -> None:
    """Adds to mean (2, C) and sums (3, C), which are 0."""
    rows, channels = a.shape
    for p in range(rows):
        for c in range(channels):
            mean[0, c] += a[p, c]
        for c in range(channels):
            mean[1, c] += b[p, c]
    for c in range(channels):
        mean[0, c] /= rows
        mean[1, c] /= rows
    a_mean, b_mean = mean[0].astype(a.dtype), mean[1].astype(a.dtype)
    for p in range(rows):
        for c in range(channels):
            sums[0, c] += (a[p, c] - a_mean[c]) * (a[p, c] - a_mean[c])
        for c in range(channels):
            sums[1, c] += (b[p, c] - b_mean[c]) * (b[p, c] - b_mean[c])
        for c in range(channels):
            sums[2, c] += (a[p, c] - a_mean[c]) * (b[p, c] - b_mean[c])
