"""Loops of `pbgraph.ops.triplet`: one pass over the edges of every receiver. Compiled by Numba.

Letters as there: node (N, H, C + 2) holds v, r, s; edge (B, H, C + 1) holds e, b; alpha (E, H); ptr (N + 1,) is
receiver_ptr. Arrays are indexed by plain loop counters: a compound index would keep the compiler from vectorising.
"""

from __future__ import annotations

import math

import numpy as np


def attend(
    node: np.ndarray,
    edge: np.ndarray,
    sender: np.ndarray,
    kind: np.ndarray,
    ptr: np.ndarray,
    slope: float,
    alpha: np.ndarray,
    out: np.ndarray,
) -> None:
    """Forward: fills alpha (E, H) and out (N, H, C)."""
    _, heads, channels = out.shape
    negative = node.dtype.type(slope)
    for i in range(len(out)):
        start, end = ptr[i], ptr[i + 1]
        for k in range(start, end):
            j, t = sender[k], kind[k]
            for h in range(heads):
                logit = node[i, h, channels] + edge[t, h, channels] + node[j, h, channels + 1]
                alpha[k, h] = max(logit, negative * logit)
        for h in range(heads):
            highest = node.dtype.type(-math.inf)
            for k in range(start, end):
                highest = max(highest, alpha[k, h])
            total = node.dtype.type(0)
            for k in range(start, end):
                alpha[k, h] = math.exp(alpha[k, h] - highest)
                total += alpha[k, h]
            for k in range(start, end):
                alpha[k, h] /= total
            for c in range(channels):
                out[i, h, c] = 0
        for k in range(start, end):
            j, t = sender[k], kind[k]
            for h in range(heads):
                a = alpha[k, h]
                for c in range(channels):
                    out[i, h, c] += a * edge[t, h, c] * node[j, h, c]


def attend_backward(
    node: np.ndarray,
    edge: np.ndarray,
    sender: np.ndarray,
    kind: np.ndarray,
    ptr: np.ndarray,
    slope: float,
    alpha: np.ndarray,
    grad: np.ndarray,
    d_node: np.ndarray,
    d_edge: np.ndarray,
    edge_too: bool,
) -> None:
    """Backward: adds to d_node, and to d_edge if asked, from grad (N, H, C), the gradient of out.

    With g = grad_i: ∂v_j += α e ⊙ g; ∂e += α v_j ⊙ g; ∂α = g · (e ⊙ v_j); ∂l = α (∂α - Σ_{j'} α ∂α).
    """
    _, heads, channels = grad.shape
    one, negative = node.dtype.type(1), node.dtype.type(slope)
    d_alpha = np.empty_like(alpha)
    for i in range(len(grad)):
        start, end = ptr[i], ptr[i + 1]
        for k in range(start, end):
            j, t = sender[k], kind[k]
            for h in range(heads):
                a, dot = alpha[k, h], node.dtype.type(0)
                for c in range(channels):
                    g_e = grad[i, h, c] * edge[t, h, c]
                    dot += g_e * node[j, h, c]
                    d_node[j, h, c] += a * g_e
                d_alpha[k, h] = dot
                if edge_too:
                    for c in range(channels):
                        d_edge[t, h, c] += a * grad[i, h, c] * node[j, h, c]
        for h in range(heads):
            mean = node.dtype.type(0)
            for k in range(start, end):
                mean += alpha[k, h] * d_alpha[k, h]
            for k in range(start, end):
                j, t = sender[k], kind[k]
                logit = node[i, h, channels] + edge[t, h, channels] + node[j, h, channels + 1]
                d_logit = alpha[k, h] * (d_alpha[k, h] - mean) * (one if logit > 0 else negative)
                d_node[i, h, channels] += d_logit
                d_node[j, h, channels + 1] += d_logit
                d_edge[t, h, channels] += d_logit
