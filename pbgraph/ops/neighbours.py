"""Sum over neighbours: y_i = Σ_{j → i} x_j, over the edges that node i receives, in their order.

The gradient is the same sum over the edges that a node sends: ∂x_j = Σ_{j → i} ∂y_i.
Source: Xu et al. 2019, arXiv:1810.00826, equation 4.1 (the aggregation of GIN).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_sum, spread


def neighbour_sum_definition(x: Tensor, batch: GraphBatch) -> Tensor:
    """The definition in plain PyTorch, for any device; `neighbour_sum` gives the same faster."""
    sender, receiver = batch.edge_index
    return segment_sum(spread(x, sender), receiver, len(x), batch.receiver_ptr)


def neighbour_sum(x: Tensor, batch: GraphBatch) -> Tensor:
    """Sums y (N, C) of the rows of x (N, C) float over each node's senders; 0 for a node that receives no edge.

    Raises ValueError if batch has not N nodes.
    """
    if len(batch.receiver_ptr) != len(x) + 1:
        raise ValueError(f"{len(x)} nodes for a batch of {len(batch.receiver_ptr) - 1}")
    if not fused((_gather, _scatter), x):
        return neighbour_sum_definition(x, batch)
    return _NeighbourSum.apply(x, batch.edge_index[0], batch.receiver_ptr)  # type: ignore[no-any-return, no-untyped-call]


class _NeighbourSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        x, sender, ptr = (tensor.contiguous() for tensor in inputs)
        y = torch.empty_like(x)
        _gather(x, sender, ptr, y)
        ctx.save_for_backward(sender, ptr)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, None, None]:
        d_x = torch.zeros_like(d_y, memory_format=torch.contiguous_format)
        _scatter(d_y.contiguous(), *ctx.saved_tensors, d_x)
        return d_x, None, None


_gather = Kernel("neighbours_kernels", "gather", "f2 i1 i1 f2", "N,C E<N N+1@E N,C")
_scatter = Kernel("neighbours_kernels", "scatter", "f2 i1 i1 f2", "N,C E<N N+1@E N,C")
