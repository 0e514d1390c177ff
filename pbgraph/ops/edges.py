"""Products over edges, for any number of heads H, with weights or scores for each edge and head.

    weighted_sum   y_i = Σ_{e into i} w_e v_{s(e)}                       sparse matrix times dense matrix
    edge_scores    l_e = q_i · k_{s(e)}    for the edges e into i        dense times dense, at the sparse positions
    edge_softmax   p_e = exp(l_e) / Σ_{e' into i} exp(l_e')

Each of the first two is the other's derivative. `Edges` may join any two sets: nodes to nodes, nodes to the graphs that
hold them, all pairs of nodes of a graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_softmax, segment_sum, spread


@dataclass(frozen=True, eq=False)
class Edges:
    """E edges from M senders to N receivers, sorted by receiver.

    sender    (E,) int64, each in [0, M)
    receiver  (E,) int64, non-decreasing
    ptr       (N + 1,) int64; receiver i receives edges ptr[i] : ptr[i + 1]
    """

    sender: Tensor
    receiver: Tensor
    ptr: Tensor

    @property
    def num_receivers(self) -> int:
        """N."""
        return len(self.ptr) - 1

    @classmethod
    def of(cls, batch: GraphBatch) -> Edges:
        """The bonds of a batch, node to node."""
        return cls(batch.edge_index[0], batch.edge_index[1], batch.receiver_ptr)

    @classmethod
    def to_graphs(cls, batch: GraphBatch) -> Edges:
        """One edge from every node to its graph."""
        return cls(torch.arange(len(batch.x), device=batch.x.device), batch.batch, batch.node_ptr)

    @classmethod
    def complete(cls, batch: GraphBatch) -> Edges:
        """All pairs of nodes of the same graph, each node with itself too."""
        sizes = batch.node_ptr.diff()[batch.batch]  # N: nodes of the graph that a node is in
        ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        receiver = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
        first = batch.node_ptr[batch.batch] - ptr[:-1]  # sender minus number of the edge
        return cls(torch.arange(len(receiver), device=sizes.device) + first[receiver], receiver, ptr)


def weighted_sum_definition(weights: Tensor, values: Tensor, edges: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `weighted_sum` gives the same faster."""
    messages = weights.unsqueeze(2) * spread(values, edges.sender)
    return segment_sum(messages, edges.receiver, edges.num_receivers, edges.ptr)


def weighted_sum(weights: Tensor, values: Tensor, edges: Edges) -> Tensor:
    """y (N, H, C); a receiver without edges gets 0.

    weights (E, H), values (M, H, C) float
    """
    if not fused((_sum, _dot, _scatter), weights, values):
        return weighted_sum_definition(weights, values, edges)
    return _WeightedSum.apply(weights, values, edges.sender, edges.ptr)  # type: ignore[no-any-return, no-untyped-call]


def edge_scores_definition(q: Tensor, k: Tensor, edges: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `edge_scores` gives the same faster."""
    return (spread(q, edges.receiver, edges.ptr) * spread(k, edges.sender)).sum(2)


def edge_scores(q: Tensor, k: Tensor, edges: Edges) -> Tensor:
    """Scalar products l (E, H).

    q (N, H, C), k (M, H, C) float
    """
    if not fused((_sum, _dot, _scatter), q, k):
        return edge_scores_definition(q, k, edges)
    return _EdgeScores.apply(q, k, edges.sender, edges.ptr)  # type: ignore[no-any-return, no-untyped-call]


def edge_softmax(logits: Tensor, edges: Edges) -> Tensor:
    """Softmax p (E, H) of logits (E, H) over the edges that each receiver receives, for each head apart."""
    if not fused((_softmax, _softmax_backward), logits):
        return segment_softmax(logits, edges.receiver, edges.num_receivers, edges.ptr)
    return _EdgeSoftmax.apply(logits, edges.ptr)  # type: ignore[no-any-return, no-untyped-call]


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        weights, values, sender, ptr = (tensor.contiguous() for tensor in inputs)
        y = values.new_empty(len(ptr) - 1, *values.shape[1:])
        _sum(weights, values, sender, ptr, y)
        ctx.save_for_backward(weights, values, sender, ptr)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, sender, ptr = ctx.saved_tensors
        d_y, d_weights, d_values = d_y.contiguous(), None, None
        if ctx.needs_input_grad[0]:
            _dot(d_y, values, sender, ptr, d_weights := torch.empty_like(weights))
        if ctx.needs_input_grad[1]:
            _scatter(weights, d_y, sender, ptr, d_values := torch.zeros_like(values))
        return d_weights, d_values, None, None


class _EdgeScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        q, k, sender, ptr = (tensor.contiguous() for tensor in inputs)
        scores = q.new_empty(len(sender), q.shape[1])
        _dot(q, k, sender, ptr, scores)
        ctx.save_for_backward(q, k, sender, ptr)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_scores: Tensor) -> tuple[Tensor | None, ...]:
        q, k, sender, ptr = ctx.saved_tensors
        d_scores, d_q, d_k = d_scores.contiguous(), None, None
        if ctx.needs_input_grad[0]:
            _sum(d_scores, k, sender, ptr, d_q := torch.empty_like(q))
        if ctx.needs_input_grad[1]:
            _scatter(d_scores, q, sender, ptr, d_k := torch.zeros_like(k))
        return d_q, d_k, None, None


class _EdgeSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, ptr: Tensor) -> Tensor:
        logits, ptr = logits.contiguous(), ptr.contiguous()
        p = torch.empty_like(logits)
        _softmax(logits, ptr, p)
        ctx.save_for_backward(p, ptr)
        return p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_p: Tensor) -> tuple[Tensor, None]:
        p, ptr = ctx.saved_tensors
        d_logits = torch.empty_like(p)
        _softmax_backward(p, d_p.contiguous(), ptr, d_logits)
        return d_logits, None


_sum = Kernel("edges_kernels", "weighted_sum", "f2 f3 i1 i1 f3", "E,H M,H,C E<M N+1@E N,H,C")
_dot = Kernel("edges_kernels", "dot", "f3 f3 i1 i1 f2", "N,H,C M,H,C E<M N+1@E E,H")
_scatter = Kernel("edges_kernels", "scatter", "f2 f3 i1 i1 f3", "E,H N,H,C E<M N+1@E M,H,C")
_softmax = Kernel("edges_kernels", "softmax", "f2 i1 f2", "E,H N+1@E E,H")
_softmax_backward = Kernel("edges_kernels", "softmax_backward", "f2 f2 i1 f2", "E,H E,H N+1@E E,H")
