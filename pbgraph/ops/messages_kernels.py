"""Loops of `pbgraph.ops.messages`: one pass over the edges, receiver by receiver. Compiled by Numba.

Letters as there; sender, kind (E,), ptr (N + 1,).
"""

from __future__ import annotations

import numpy as np


def relu_sum(
    x: np.ndarray, table: np.ndarray, sender: np.ndarray, kind: np.ndarray, ptr: np.ndarray, y: np.ndarray
) -> None:
    """Forward: fills y (N, C)."""
    channels, zero = x.shape[1], x.dtype.type(0)
    for i in range(len(ptr) - 1):
        for c in range(channels):
            y[i, c] = zero
        for e in range(ptr[i], ptr[i + 1]):
            j, k = sender[e], kind[e]  # read here, so that the loop over channels vectorises
            for c in range(channels):
                message = x[j, c] + table[k, c]
                y[i, c] += zero if message < zero else message  # NaN stays


def relu_sum_backward(
    x: np.ndarray,
    table: np.ndarray,
    sender: np.ndarray,
    kind: np.ndarray,
    ptr: np.ndarray,
    d_y: np.ndarray,
    d_x: np.ndarray,
    d_table: np.ndarray,
) -> None:
    """Backward: adds to d_x (N, C) and d_table (B, C)."""
    channels, zero = x.shape[1], x.dtype.type(0)
    d_message = np.empty(channels, x.dtype)
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j, k = sender[e], kind[e]
            for c in range(channels):
                message = x[j, c] + table[k, c]
                d_message[c] = zero if message <= zero else d_y[i, c]
            for c in range(channels):
                d_x[j, c] += d_message[c]
            for c in range(channels):
                d_table[k, c] += d_message[c]
