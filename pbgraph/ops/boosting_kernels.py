"""Loops of `pbgraph.ops.boosting`: one pass over the edges, receiver by receiver. Compiled by Numba.

Letters as there: E edges, N receivers, C channels; ptr (N + 1,).
"""

from __future__ import annotations

import numpy as np


def boost(messages: np.ndarray, ptr: np.ndarray, total: np.ndarray, largest: np.ndarray, y: np.ndarray) -> None:
    """Forward: fills total, largest and y, their product, (N, C) each; messages (E, C)."""
    channels = messages.shape[1]
    for i in range(len(ptr) - 1):
        first = ptr[i]
        for c in range(channels):
            total[i, c] = largest[i, c] = messages[first, c] if ptr[i + 1] > first else 0
        for e in range(first + 1, ptr[i + 1]):
            for c in range(channels):
                message = messages[e, c]
                total[i, c] += message
                largest[i, c] = largest[i, c] if message <= largest[i, c] else message  # NaN stays
        for c in range(channels):
            y[i, c] = total[i, c] * largest[i, c]


def boost_backward(
    messages: np.ndarray,
    ptr: np.ndarray,
    largest: np.ndarray,
    d_largest: np.ndarray,
    d_total: np.ndarray,
    d_messages: np.ndarray,
) -> None:
    """Backward: fills d_messages (E, C)."""
    channels, zero, one = messages.shape[1], messages.dtype.type(0), messages.dtype.type(1)
    ties = np.empty(channels, messages.dtype)
    for i in range(len(ptr) - 1):
        ties[:] = 0
        for e in range(ptr[i], ptr[i + 1]):
            for c in range(channels):
                ties[c] += one if messages[e, c] == largest[i, c] else zero
        for e in range(ptr[i], ptr[i + 1]):
            for c in range(channels):
                share = d_largest[i, c] / ties[c] if messages[e, c] == largest[i, c] else zero
                d_messages[e, c] = d_total[i, c] + share
