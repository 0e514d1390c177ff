"""Loops of `pbgraph.ops.moments`: one pass for the means, one for the sums. Compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numba.np.numpy_support import carray

from pbgraph.ops.addresses_kernels import pointer
from pbgraph.ops.kernels import FASTMATH


def moments(
    like: np.ndarray, a: np.ndarray, b: np.ndarray, sizes: np.ndarray, mean: np.ndarray, sums: np.ndarray
) -> None:
    """Fills mean (2, C) and sums (3, C) of n pairs side by side.

    like  whose type is that of the numbers;  a, b  (n,): addresses;  sizes  (n, 3): B, C, L of each
    """
    start = 0
    for i in range(len(sizes)):
        items, channels, places = sizes[i]
        own_mean, own_sums = mean[:, start : start + channels], sums[:, start : start + channels]
        a_at, b_at = pointer(a[i], like), pointer(b[i], like)
        if places == 1:
            rows = (items, channels)
            _of_rows(carray(a_at, rows), carray(b_at, rows), own_mean, own_sums)
        else:
            cubes = (items, channels, places)
            _by_channel(carray(a_at, cubes), carray(b_at, cubes), own_mean, own_sums)
        start += channels


@register_jitable(fastmath=FASTMATH, error_model="numpy")
def _of_rows(a: np.ndarray, b: np.ndarray, mean: np.ndarray, sums: np.ndarray) -> None:
    """Of a and b (P, C)."""
    rows, channels = a.shape
    total, squares = np.zeros((2, channels)), np.zeros((3, channels))
    for p in range(rows):
        for c in range(channels):
            total[0, c] += a[p, c]
        for c in range(channels):
            total[1, c] += b[p, c]
    for c in range(channels):
        total[0, c] /= rows
        total[1, c] /= rows
    a_mean, b_mean = total[0].astype(a.dtype), total[1].astype(a.dtype)
    for p in range(rows):
        for c in range(channels):
            squares[0, c] += (a[p, c] - a_mean[c]) * (a[p, c] - a_mean[c])
        for c in range(channels):
            squares[1, c] += (b[p, c] - b_mean[c]) * (b[p, c] - b_mean[c])
        for c in range(channels):
            squares[2, c] += (a[p, c] - a_mean[c]) * (b[p, c] - b_mean[c])
    mean[:], sums[:] = total, squares


@register_jitable(fastmath=FASTMATH, error_model="numpy")
def _by_channel(a: np.ndarray, b: np.ndarray, mean: np.ndarray, sums: np.ndarray) -> None:
    """Of a and b (B, C, L)."""
    items, channels, places = a.shape
    for c in range(channels):
        a_mean = b_mean = 0.0
        for i in range(items):
            for k in range(places):
                a_mean += a[i, c, k]
                b_mean += b[i, c, k]
        a_mean, b_mean = a_mean / (items * places), b_mean / (items * places)
        aa = bb = ab = 0.0
        for i in range(items):
            for k in range(places):
                x, y = a[i, c, k] - a_mean, b[i, c, k] - b_mean
                aa += x * x
                bb += y * y
                ab += x * y
        mean[0, c], mean[1, c] = a_mean, b_mean
        sums[0, c], sums[1, c], sums[2, c] = aa, bb, ab
