"""Loops of `pbgraph.ops.running`, each in the order of its definition. Compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numba.np.numpy_support import carray

from pbgraph.ops.addresses_kernels import pointer


def take_in(
    running: np.ndarray,
    mean: np.ndarray,
    sums: np.ndarray,
    batch_mean: np.ndarray,
    batch_sums: np.ndarray,
    before: np.ndarray,
    patterns: np.ndarray,
    about: np.ndarray,
) -> None:
    """Fills about (3, C), the batch's moments about the running means (rows 0 and 1); adds to mean and sums."""
    for c in range(len(before)):
        after = before[c] + patterns[c]
        share, between = patterns[c] / after, before[c] * patterns[c] / after
        a, b = batch_mean[0, c] - running[0, c], batch_mean[1, c] - running[1, c]
        about[0, c] = batch_sums[0, c] / patterns[c] + a * a
        about[1, c] = batch_sums[1, c] / patterns[c] + b * b
        about[2, c] = batch_sums[2, c] / patterns[c] + a * b
        a, b = batch_mean[0, c] - mean[0, c], batch_mean[1, c] - mean[1, c]
        mean[0, c] += a * share
        mean[1, c] += b * share
        sums[0, c] += batch_sums[0, c] + a * a * between
        sums[1, c] += batch_sums[1, c] + b * b * between
        sums[2, c] += batch_sums[2, c] + a * b * between


def gradients(
    like: np.ndarray,
    running: np.ndarray,
    deviations: np.ndarray,
    patterns: np.ndarray,
    floor: float,
    scaled: bool,
    b: np.ndarray,
    out: np.ndarray,
    sizes: np.ndarray,
    starts: np.ndarray,
) -> None:
    """Fills n arrays (B, C, L) at the addresses `out` from those at `b`, for columns from `starts` on.

    like  whose type is that of the numbers;  sizes  (n, 3): B, C, L of each;  scaled  divided by deviations (2, C)
    """
    for i in range(len(sizes)):
        items, channels, places = sizes[i]
        centre, weight = np.empty(channels, like.dtype), np.empty(channels, like.dtype)
        for c in range(channels):
            k = starts[i] + c
            sign = 1.0 if running[4, k] > 0 else -1.0 if running[4, k] < 0 else 0.0
            if scaled:
                a = deviations[0, k]
                both = (floor if a < floor else a) * deviations[1, k]
                sign = sign / both if both > 0 else 0.0
            centre[c], weight[c] = running[1, k], -sign / patterns[k]
        cubes = (items, channels, places)
        _weighted(carray(pointer(b[i], like), cubes), centre, weight, carray(pointer(out[i], like), cubes))


@register_jitable(error_model="numpy")
def _weighted(b: np.ndarray, centre: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Fills out: (b - centre) · weight, of (B, C, L) and (C,)."""
    items, channels, places = b.shape
    for i in range(items):
        if places == 1:
            for c in range(channels):
                out[i, c, 0] = (b[i, c, 0] - centre[c]) * weight[c]
        else:
            for c in range(channels):
                for k in range(places):
                    out[i, c, k] = (b[i, c, k] - centre[c]) * weight[c]
