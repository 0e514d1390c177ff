"""Loops of `pbgraph.ops.running`, each in the order of its definition. Compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numba.np.numpy_support import carray

from pbgraph.ops.addresses_kernels import pointer
from pbgraph.ops.contraction_kernels import fma


def take_in(
    running: np.ndarray,
    mean: np.ndarray,
    sums: np.ndarray,
    batch_mean: np.ndarray,
    batch_sums: np.ndarray,
    before: np.ndarray,
    patterns: np.ndarray,
    keep: float,
    contracted: bool,
    taken: np.ndarray,
) -> None:
    """Averages into running, adds to mean and sums, and sets taken (1,) to 1; to 0, and nothing else, if batch_sums
    are not finite. contracted: whether running values are averaged by a product and a sum in one.
    """
    total = 0.0
    for row in range(3):
        for c in range(len(before)):
            total += batch_sums[row, c]
    taken[0] = 1.0 if np.isfinite(total) else 0.0
    if taken[0] == 0.0:
        return
    for c in range(len(before)):
        for row in range(2):
            running[row, c] = _averaged(running[row, c], batch_mean[row, c], 1 - keep, contracted)
        after = before[c] + patterns[c]
        share, between = patterns[c] / after, before[c] * patterns[c] / after
        a, b = batch_mean[0, c] - running[0, c], batch_mean[1, c] - running[1, c]
        aa, bb, ab = batch_sums[0, c] / patterns[c], batch_sums[1, c] / patterns[c], batch_sums[2, c] / patterns[c]
        running[2, c] = _averaged(running[2, c], aa + a * a, 1 - keep, contracted)
        running[3, c] = _averaged(running[3, c], bb + b * b, 1 - keep, contracted)
        running[4, c] = _averaged(running[4, c], ab + a * b, 1 - keep, contracted)
        a, b = batch_mean[0, c] - mean[0, c], batch_mean[1, c] - mean[1, c]
        mean[0, c] += a * share
        mean[1, c] += b * share
        sums[0, c] += batch_sums[0, c] + a * a * between
        sums[1, c] += batch_sums[1, c] + b * b * between
        sums[2, c] += batch_sums[2, c] + a * b * between


@register_jitable(error_model="numpy")
def _averaged(running: float, value: float, weight: float, contracted: bool) -> float:
    """What torch's lerp makes of them."""
    if weight < 0.5:
        step = value - running
        return fma(weight, step, running) if contracted else running + weight * step
    step = value - running
    return fma(weight - 1, step, value) if contracted else value - step * (1 - weight)


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
