"""Loops of `pbgraph.ops.pooling`: one pass over the graphs in each direction. Compiled by Numba.

Letters as there; a (N,), ptr (G + 1,) is node_ptr.
"""

from __future__ import annotations

import math

import numpy as np


def pool(q: np.ndarray, x: np.ndarray, ptr: np.ndarray, a: np.ndarray, y: np.ndarray) -> None:
    """Forward: fills the weights a (N,) and y (G, C)."""
    channels = x.shape[1]
    for g in range(len(q)):
        start, end = ptr[g], ptr[g + 1]
        highest, total = x.dtype.type(-math.inf), x.dtype.type(0)
        for i in range(start, end):
            logit = x.dtype.type(0)
            for c in range(channels):
                logit += q[g, c] * x[i, c]
            a[i] = logit
            highest = max(highest, logit)
        for i in range(start, end):
            a[i] = math.exp(a[i] - highest)
            total += a[i]
        for c in range(channels):
            y[g, c] = 0
        for i in range(start, end):
            weight = a[i] / total
            a[i] = weight
            for c in range(channels):
                y[g, c] += weight * x[i, c]


def pool_backward(
    q: np.ndarray, x: np.ndarray, ptr: np.ndarray, a: np.ndarray, d_y: np.ndarray, d_q: np.ndarray, d_x: np.ndarray
) -> None:
    """Backward: fills d_q (G, C) and d_x (N, C).

    With ∂a_i = ∂y · x_i and ∂l_i = a_i (∂a_i - Σ_i' a_i' ∂a_i'):  ∂x_i = a_i ∂y + ∂l_i q,  ∂q = Σ_i ∂l_i x_i.
    """
    channels = x.shape[1]
    d_a = np.empty_like(a)
    for g in range(len(q)):
        start, end = ptr[g], ptr[g + 1]
        mean = x.dtype.type(0)
        for i in range(start, end):
            dot = x.dtype.type(0)
            for c in range(channels):
                dot += d_y[g, c] * x[i, c]
            d_a[i] = dot
            mean += a[i] * dot
        for c in range(channels):
            d_q[g, c] = 0
        for i in range(start, end):
            weight = a[i]
            d_logit = weight * (d_a[i] - mean)
            for c in range(channels):
                d_x[i, c] = weight * d_y[g, c] + d_logit * q[g, c]
            for c in range(channels):
                d_q[g, c] += d_logit * x[i, c]
