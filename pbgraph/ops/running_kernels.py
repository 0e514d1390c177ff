"""Loops of `pbgraph.ops.running`, each in the order of its definition. Compiled by Numba."""

from __future__ import annotations

import numpy as np


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


def gradient_constants(
    running: np.ndarray,
    deviations: np.ndarray,
    patterns: np.ndarray,
    floor: float,
    normalised: bool,
    constants: np.ndarray,
) -> None:
    """Fills constants (2, C); a and b are divided by their deviations (2, C) if `normalised`."""
    for c in range(len(patterns)):
        covariance = running[4, c]
        weight = 1.0 if covariance > 0 else -1.0 if covariance < 0 else 0.0
        if normalised:
            a, b = deviations[0, c], deviations[1, c]
            both = (floor if a < floor else a) * b
            weight = weight / both if both > 0 else 0.0
        constants[0, c], constants[1, c] = running[1, c], -weight / patterns[c]
