"""Loops of `pbgraph.ops.walks`: graph by graph, one dense matrix each. Compiled by Numba."""

from __future__ import annotations

import numpy as np


def returns(
    y: np.ndarray, probability: np.ndarray, sender: np.ndarray, receiver_ptr: np.ndarray, node_ptr: np.ndarray
) -> None:
    """Fills y (N, K).

    probability  (N,) of each edge that a node sends
    sender (E,), receiver_ptr (N + 1,), node_ptr (G + 1,) as in GraphBatch
    at[v, u] is the probability that a walk from u is at v after k steps, i.e. (Pᵏ)_uv.
    """
    for g in range(len(node_ptr) - 1):
        first, nodes = node_ptr[g], node_ptr[g + 1] - node_ptr[g]
        at, following = np.zeros((nodes, nodes), y.dtype), np.empty((nodes, nodes), y.dtype)
        for v in range(nodes):
            at[v, v] = 1
        for k in range(y.shape[1]):
            for v in range(nodes):
                for u in range(nodes):
                    following[v, u] = 0
                for e in range(receiver_ptr[first + v], receiver_ptr[first + v + 1]):
                    p, w = probability[sender[e]], sender[e] - first
                    for u in range(nodes):
                        following[v, u] += p * at[w, u]
                y[first + v, k] = following[v, v]
            at, following = following, at


def walks(
    y: np.ndarray,
    probability: np.ndarray,
    sender: np.ndarray,
    receiver_ptr: np.ndarray,
    node_ptr: np.ndarray,
    pair_ptr: np.ndarray,
) -> None:
    """Fills y (P, K); pair_ptr (N + 1,): the pairs that a node receives, one for each node of its graph in their order.

    The others as of `returns`. Where a node has fewer pairs than its graph has nodes, the rest is left out.
    """
    for g in range(len(node_ptr) - 1):
        first, nodes = node_ptr[g], node_ptr[g + 1] - node_ptr[g]
        at, following = np.zeros((nodes, nodes), y.dtype), np.empty((nodes, nodes), y.dtype)
        for v in range(nodes):
            at[v, v] = 1
        for k in range(y.shape[1]):
            for u in range(nodes):
                start, end = pair_ptr[first + u], pair_ptr[first + u + 1]
                for v in range(min(nodes, end - start)):
                    y[start + v, k] = at[v, u]
            for v in range(nodes):
                for u in range(nodes):
                    following[v, u] = 0
                for e in range(receiver_ptr[first + v], receiver_ptr[first + v + 1]):
                    p, w = probability[sender[e]], sender[e] - first
                    for u in range(nodes):
                        following[v, u] += p * at[w, u]
            at, following = following, at
