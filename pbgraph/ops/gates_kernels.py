"""Loops of `pbgraph.ops.gates`: one pass over the edges, receiver by receiver. Compiled by Numba.

Letters as there: E edges, M senders, N receivers, C channels; sender (E,), ptr (N + 1,).
"""

from __future__ import annotations

import numpy as np


def gated_mean(
    gates: np.ndarray,
    values: np.ndarray,
    sender: np.ndarray,
    ptr: np.ndarray,
    epsilon: float,
    y: np.ndarray,
    scale: np.ndarray,
) -> None:
    """Forward: fills y (N, C), and scale (N, C) with 1 / (Σ g + ε); gates (E, C), values (M, C)."""
    channels, one = values.shape[1], values.dtype.type(1)
    for i in range(len(ptr) - 1):
        for c in range(channels):
            y[i, c] = 0
            scale[i, c] = epsilon
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]  # read here, so that the loop over channels vectorises
            for c in range(channels):
                y[i, c] += gates[e, c] * values[j, c]
                scale[i, c] += gates[e, c]
        for c in range(channels):
            scale[i, c] = one / scale[i, c]
            y[i, c] *= scale[i, c]


def gated_mean_backward(
    gates: np.ndarray,
    values: np.ndarray,
    sender: np.ndarray,
    ptr: np.ndarray,
    y: np.ndarray,
    d_scaled: np.ndarray,
    d_gates: np.ndarray,
    d_values: np.ndarray,
) -> None:
    """Backward, of d_scaled (N, C) = ∂y / (Σ g + ε): fills d_gates (E, C), adds to d_values (M, C)."""
    channels = values.shape[1]
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]
            for c in range(channels):
                d_gates[e, c] = d_scaled[i, c] * (values[j, c] - y[i, c])
            for c in range(channels):
                d_values[j, c] += d_scaled[i, c] * gates[e, c]
