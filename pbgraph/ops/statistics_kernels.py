"""Loops of `pbgraph.ops.statistics`: receiver by receiver. Compiled by Numba.

Letters as there; messages (E, C), ptr (N + 1,), y (N, 4, C) with the rows mean, min, max, deviation.
"""

from __future__ import annotations

import math

import numpy as np


def statistics(messages: np.ndarray, ptr: np.ndarray, smallest_variance: float, y: np.ndarray) -> None:
    """Forward: fills y."""
    channels = messages.shape[1]
    one, threshold = messages.dtype.type(1), messages.dtype.type(smallest_variance)
    for i in range(len(ptr) - 1):
        start, end = ptr[i], ptr[i + 1]
        share = one / messages.dtype.type(max(end - start, 1))
        for c in range(channels):
            y[i, 0, c] = 0
            y[i, 1, c] = messages[start, c] if end > start else 0
            y[i, 2, c] = messages[start, c] if end > start else 0
            y[i, 3, c] = 0
        for e in range(start, end):
            for c in range(channels):
                y[i, 0, c] += messages[e, c] * share
            for c in range(channels):
                m = messages[e, c]
                y[i, 1, c] = m if m < y[i, 1, c] or m != m else y[i, 1, c]  # NaN stays
            for c in range(channels):
                m = messages[e, c]
                y[i, 2, c] = m if m > y[i, 2, c] or m != m else y[i, 2, c]
        for e in range(start, end):
            for c in range(channels):
                y[i, 3, c] += (messages[e, c] - y[i, 0, c]) * (messages[e, c] - y[i, 0, c]) * share
        for c in range(channels):
            y[i, 3, c] = math.sqrt(y[i, 3, c]) if y[i, 3, c] > threshold else 0


def statistics_backward(
    messages: np.ndarray, ptr: np.ndarray, y: np.ndarray, d_y: np.ndarray, d_messages: np.ndarray
) -> None:
    """Backward: fills d_messages (E, C); with d edges into i, ∂√var / ∂m_e = (m_e - mean) / (d √var)."""
    channels = messages.shape[1]
    zero, one = messages.dtype.type(0), messages.dtype.type(1)
    d_lowest, d_highest = np.empty(channels, messages.dtype), np.empty(channels, messages.dtype)
    slope = np.empty(channels, messages.dtype)
    for i in range(len(ptr) - 1):
        start, end = ptr[i], ptr[i + 1]
        share = one / messages.dtype.type(max(end - start, 1))
        for c in range(channels):
            lowest, highest = zero, zero
            for e in range(start, end):
                lowest += one if messages[e, c] == y[i, 1, c] else zero
                highest += one if messages[e, c] == y[i, 2, c] else zero
            d_lowest[c] = d_y[i, 1, c] / max(lowest, one)
            d_highest[c] = d_y[i, 2, c] / max(highest, one)
            slope[c] = d_y[i, 3, c] * share / y[i, 3, c] if y[i, 3, c] > zero else zero
        for e in range(start, end):
            for c in range(channels):
                d = d_y[i, 0, c] * share + slope[c] * (messages[e, c] - y[i, 0, c])
                d += d_lowest[c] if messages[e, c] == y[i, 1, c] else zero
                d += d_highest[c] if messages[e, c] == y[i, 2, c] else zero
                d_messages[e, c] = d
