"""Four statistics of the messages that each node receives.

    y_i = [mean_e m_e ‖ min_e m_e ‖ max_e m_e ‖ √var_e m_e]            over the edges e into i, for each channel apart

var is the mean square deviation from the mean. A deviation of at most √1e-5 counts as 0, without gradient. Where
several messages are lowest or highest, the gradient is shared among them. A node without edges gets 0.
Source: Corso et al. 2020, arXiv:2004.05718, equations 2 and 3; thresholds and ties as in torch_geometric.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_mean, spread

SMALLEST_VARIANCE = 1e-5


def edge_statistics_definition(messages: Tensor, edges: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `edge_statistics` gives the same faster."""
    receiver, nodes = edges.receiver, edges.num_receivers
    index, furthest = (
        receiver.unsqueeze(1).expand_as(messages),
        messages.new_full((nodes, messages.shape[1]), torch.inf),
    )
    some = (edges.ptr.diff() > 0).unsqueeze(1)  # N x 1: receives an edge
    mean = segment_mean(messages, receiver, nodes, edges.ptr)
    lowest = furthest.scatter_reduce(0, index, messages, "amin").where(some, 0)
    highest = (-furthest).scatter_reduce(0, index, messages, "amax").where(some, 0)
    variance = segment_mean((messages - spread(mean, receiver, edges.ptr)) ** 2, receiver, nodes, edges.ptr)
    varies = variance > SMALLEST_VARIANCE
    deviation = torch.where(varies, variance, torch.ones_like(variance)).sqrt() * varies
    return torch.cat([mean, lowest, highest, deviation], dim=1)


def edge_statistics(messages: Tensor, edges: Edges) -> Tensor:
    """y (N, 4C) of messages (E, C) float, sorted by receiver."""
    if not fused((_statistics, _statistics_backward), messages):
        return edge_statistics_definition(messages, edges)
    return _Statistics.apply(messages, edges.ptr).flatten(1)  # type: ignore[no-any-return, no-untyped-call]


class _Statistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, ptr: Tensor) -> Tensor:
        messages, ptr = messages.contiguous(), ptr.contiguous()
        y = messages.new_empty(len(ptr) - 1, 4, messages.shape[1])
        _statistics(messages, ptr, SMALLEST_VARIANCE, y)
        ctx.save_for_backward(messages, ptr, y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, None]:
        messages, ptr, y = ctx.saved_tensors
        d_messages = torch.empty_like(messages)
        _statistics_backward(messages, ptr, y, d_y.contiguous(), d_messages)
        return d_messages, None


_statistics = Kernel("statistics_kernels", "statistics", "f2 i1 s f3", "E,C N+1@E - N,4,C")
_statistics_backward = Kernel(
    "statistics_kernels", "statistics_backward", "f2 i1 f3 f3 f2", "E,C N+1@E N,4,C N,4,C E,C"
)
