"""Loops of `pbgraph.ops.edges`: one pass over the edges, receiver by receiver. Compiled by Numba.

Letters as there: E edges, M senders, N receivers, H heads, C channels; sender (E,), ptr (N + 1,).
"""

from __future__ import annotations

import math

import numpy as np


def weighted_sum(weights: np.ndarray, values: np.ndarray, sender: np.ndarray, ptr: np.ndarray, y: np.ndarray) -> None:
    """Fills y (N, H, C) with Σ_e w_e v_{s(e)}; weights (E, H), values (M, H, C)."""
    heads, channels = values.shape[1:]
    for i in range(len(ptr) - 1):
        for h in range(heads):
            for c in range(channels):
                y[i, h, c] = 0
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]  # read here, so that the loop over channels vectorises
            for h in range(heads):
                weight = weights[e, h]
                for c in range(channels):
                    y[i, h, c] += weight * values[j, h, c]


def dot(q: np.ndarray, k: np.ndarray, sender: np.ndarray, ptr: np.ndarray, scores: np.ndarray) -> None:
    """Fills scores (E, H) with q_i · k_{s(e)}; q (N, H, C), k (M, H, C)."""
    heads, channels = q.shape[1:]
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]
            for h in range(heads):
                product = q.dtype.type(0)
                for c in range(channels):
                    product += q[i, h, c] * k[j, h, c]
                scores[e, h] = product


def scatter(weights: np.ndarray, values: np.ndarray, sender: np.ndarray, ptr: np.ndarray, y: np.ndarray) -> None:
    """Adds w_e v_i to y_{s(e)}; weights (E, H), values (N, H, C), y (M, H, C)."""
    heads, channels = values.shape[1:]
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            j = sender[e]
            for h in range(heads):
                weight = weights[e, h]
                for c in range(channels):
                    y[j, h, c] += weight * values[i, h, c]


def softmax(logits: np.ndarray, ptr: np.ndarray, p: np.ndarray) -> None:
    """Fills p (E, H) with the softmax of logits (E, H) over each receiver's edges."""
    for i in range(len(ptr) - 1):
        for h in range(logits.shape[1]):
            highest, total = logits.dtype.type(-math.inf), logits.dtype.type(0)
            for e in range(ptr[i], ptr[i + 1]):
                highest = max(highest, logits[e, h])
            for e in range(ptr[i], ptr[i + 1]):
                p[e, h] = math.exp(logits[e, h] - highest)
                total += p[e, h]
            for e in range(ptr[i], ptr[i + 1]):
                p[e, h] = p[e, h] / total


def softmax_backward(p: np.ndarray, d_p: np.ndarray, ptr: np.ndarray, d_logits: np.ndarray) -> None:
    """Fills d_logits (E, H) with p (∂p - Σ_e p ∂p)."""
    for i in range(len(ptr) - 1):
        for h in range(p.shape[1]):
            mean = p.dtype.type(0)
            for e in range(ptr[i], ptr[i + 1]):
                mean += p[e, h] * d_p[e, h]
            for e in range(ptr[i], ptr[i + 1]):
                d_logits[e, h] = p[e, h] * (d_p[e, h] - mean)
