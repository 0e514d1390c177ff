"""Loops of `pbgraph.ops.gated_pairs`: one pass over the pairs, receiver by receiver. Compiled by Numba.

Letters as there: E pairs, M senders, N receivers, C channels; q (N, C), k (M, C), own (E, 2, C), sender (E,),
ptr (N + 1,).
"""

from __future__ import annotations

import math

import numpy as np


def gated_pairs(
    q: np.ndarray,
    k: np.ndarray,
    own: np.ndarray,
    sender: np.ndarray,
    ptr: np.ndarray,
    smallest: float,
    y: np.ndarray,
) -> None:
    """Forward: fills y (E, C)."""
    channels, zero, least = q.shape[1], q.dtype.type(0), q.dtype.type(smallest)
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]  # read here, so that the loop over channels vectorises
            for c in range(channels):
                u = (q[i, c] + k[j, c]) * own[e, 0, c]
                size = -u if u < zero else u
                root = math.sqrt(least if size < least else size)  # NaN stays
                y[e, c] = own[e, 1, c] + (zero if u == zero else (-root if u < zero else root))


def gated_pairs_backward(
    q: np.ndarray,
    k: np.ndarray,
    own: np.ndarray,
    sender: np.ndarray,
    ptr: np.ndarray,
    smallest: float,
    d_y: np.ndarray,
    d_q: np.ndarray,
    d_k: np.ndarray,
    d_own: np.ndarray,
) -> None:
    """Backward: fills d_own (E, 2, C), adds to d_q (N, C) and d_k (M, C)."""
    channels, zero, half, least = q.shape[1], q.dtype.type(0), q.dtype.type(0.5), q.dtype.type(smallest)
    d_sum = np.empty(channels, q.dtype)
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]
            for c in range(channels):
                both, factor = q[i, c] + k[j, c], own[e, 0, c]
                size = abs(both * factor)
                d_u = zero if size <= least else half * d_y[e, c] / math.sqrt(size)
                d_own[e, 0, c] = d_u * both
                d_own[e, 1, c] = d_y[e, c]
                d_sum[c] = d_u * factor
            for c in range(channels):
                d_q[i, c] += d_sum[c]
            for c in range(channels):
                d_k[j, c] += d_sum[c]
