"""Attention of one query per graph to the graph's nodes.

    l_i = q_g · x_i                                   for the nodes i of graph g
    a_i = exp(l_i) / Σ_{i' in g} exp(l_i')
    y_g = Σ_i a_i x_i                                 0 for a graph without nodes

Source: Vinyals et al. 2016, arXiv:1511.06391, equations 3-5.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_softmax, segment_sum, spread


def graph_attention_definition(q: Tensor, x: Tensor, batch: GraphBatch) -> Tensor:
    """The definition in plain PyTorch, for any device; `graph_attention` gives the same faster."""
    logits = (x * spread(q, batch.batch, batch.node_ptr)).sum(1, keepdim=True)  # N x 1
    weights = segment_softmax(logits, batch.batch, batch.num_graphs, batch.node_ptr)
    return segment_sum(weights * x, batch.batch, batch.num_graphs, batch.node_ptr)


def graph_attention(q: Tensor, x: Tensor, batch: GraphBatch) -> Tensor:
    """Attention-weighted mean y (G, C) of the nodes of each graph.

    q (G, C), x (N, C) float; batch of G graphs and N nodes, else ValueError
    """
    if len(batch.node_ptr) != len(q) + 1 or len(batch.batch) != len(x):
        raise ValueError(f"{len(q)} graphs, {len(x)} nodes for a batch of {batch.num_graphs} and {len(batch.batch)}")
    if not fused((_pool, _pool_backward), q, x):
        return graph_attention_definition(q, x, batch)
    return _GraphAttention.apply(q, x, batch.node_ptr)  # type: ignore[no-any-return, no-untyped-call]


class _GraphAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        q, x, ptr = (tensor.contiguous() for tensor in inputs)
        a, y = x.new_empty(len(x)), torch.empty_like(q)
        _pool(q, x, ptr, a, y)
        ctx.save_for_backward(q, x, ptr, a)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, Tensor, None]:
        q, x, ptr, a = ctx.saved_tensors
        d_q, d_x = torch.empty_like(q), torch.empty_like(x)
        _pool_backward(q, x, ptr, a, d_y.contiguous(), d_q, d_x)
        return d_q, d_x, None


_pool = Kernel("pooling_kernels", "pool", "f2 f2 i1 f1 f2", "G,C N,C G+1@N N G,C")
_pool_backward = Kernel("pooling_kernels", "pool_backward", "f2 f2 i1 f1 f2 f2 f2", "G,C N,C G+1@N N G,C G,C N,C")
