"""Messages that pass a rectifier before they are summed.

    y_i = Σ_{e into i} relu(x_{s(e)} + t_{k(e)})            k(e): kind of the edge, a row of a table t

Source: Hu et al. 2020, arXiv:1905.12265, as torch_geometric's GINEConv has it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_sum, spread


def relu_sum_definition(x: Tensor, table: Tensor, batch: GraphBatch) -> Tensor:
    """The definition in plain PyTorch, for any device; `relu_sum` gives the same faster."""
    messages = F.relu(spread(x, batch.edge_index[0]) + spread(table, batch.edge_type))
    return segment_sum(messages, batch.edge_index[1], len(x), batch.receiver_ptr)


def relu_sum(x: Tensor, table: Tensor, batch: GraphBatch) -> Tensor:
    """y (N, C); a node without edges gets 0.

    x      (N, C) float
    table  (B, C) float, a row for every kind of edge of the batch
    """
    if not fused((_sum, _sum_backward), x, table):
        return relu_sum_definition(x, table, batch)
    return _ReluSum.apply(x, table, batch.edge_index[0], batch.edge_type, batch.receiver_ptr)  # type: ignore[no-any-return, no-untyped-call]


class _ReluSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        x, table, sender, kind, ptr = (tensor.contiguous() for tensor in inputs)
        y = torch.empty_like(x)
        _sum(x, table, sender, kind, ptr, y)
        ctx.save_for_backward(x, table, sender, kind, ptr)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, table, *edges = ctx.saved_tensors
        d_x, d_table = torch.zeros_like(x), torch.zeros_like(table)
        _sum_backward(x, table, *edges, d_y.contiguous(), d_x, d_table)
        return d_x, d_table, None, None, None


_sum = Kernel("messages_kernels", "relu_sum", "f2 f2 i1 i1 i1 f2", "N,C B,C E<N E<B N+1@E N,C")
_sum_backward = Kernel(
    "messages_kernels", "relu_sum_backward", "f2 f2 i1 i1 i1 f2 f2 f2", "N,C B,C E<N E<B N+1@E N,C N,C B,C"
)
