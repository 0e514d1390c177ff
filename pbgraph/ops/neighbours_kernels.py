"""Loops of `pbgraph.ops.neighbours`: one pass over the edges of every receiver. Compiled by Numba.

Letters as there; sender (E,), ptr (N + 1,) is receiver_ptr.
"""

from __future__ import annotations

import numpy as np


def gather(x: np.ndarray, sender: np.ndarray, ptr: np.ndarray, y: np.ndarray) -> None:
    """Forward: fills y (N, C)."""
    channels = x.shape[1]
    for i in range(len(y)):
        for c in range(channels):
            y[i, c] = 0
        for k in range(ptr[i], ptr[i + 1]):
            j = sender[k]
            for c in range(channels):
                y[i, c] += x[j, c]


def scatter(d_y: np.ndarray, sender: np.ndarray, ptr: np.ndarray, d_x: np.ndarray) -> None:
    """Backward: adds to d_x (N, C)."""
    channels = d_x.shape[1]
    for i in range(len(d_y)):
        for k in range(ptr[i], ptr[i + 1]):
            j = sender[k]
            for c in range(channels):
                d_x[j, c] += d_y[i, c]
