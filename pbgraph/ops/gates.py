"""Means of what nodes receive, with a gate for every edge and channel.

    y_i = Σ_e g_e ⊙ v_{s(e)} / (Σ_e g_e + ε)              over the edges e into i, for each channel apart

A node without edges gets 0. Source: Bresson & Laurent 2017, arXiv:1711.07553, with the division and ε of Dwivedi et al.
2020, arXiv:2003.00982.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_sum, spread

EPSILON = 1e-6


def gated_mean_definition(gates: Tensor, values: Tensor, edges: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `gated_mean` gives the same faster."""
    receivers = edges.receiver, edges.num_receivers, edges.ptr
    weighted = segment_sum(gates * spread(values, edges.sender), *receivers)
    return weighted / (segment_sum(gates, *receivers) + EPSILON)


def gated_mean(gates: Tensor, values: Tensor, edges: Edges) -> Tensor:
    """y (N, C) of gates (E, C), each in [0, 1], and values (M, C) of the senders, float."""
    if not fused((_mean, _mean_backward), gates, values):
        return gated_mean_definition(gates, values, edges)
    return _GatedMean.apply(gates, values, edges.sender, edges.ptr)  # type: ignore[no-any-return, no-untyped-call]


class _GatedMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        gates, values, sender, ptr = (tensor.contiguous() for tensor in inputs)
        y, scale = (values.new_empty(len(ptr) - 1, values.shape[1]) for _ in range(2))
        _mean(gates, values, sender, ptr, EPSILON, y, scale)
        ctx.save_for_backward(gates, values, sender, ptr, y, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        gates, values, sender, ptr, y, scale = ctx.saved_tensors
        d_gates, d_values = torch.empty_like(gates), torch.zeros_like(values)
        _mean_backward(gates, values, sender, ptr, y, d_y * scale, d_gates, d_values)
        return d_gates, d_values, None, None


_mean = Kernel("gates_kernels", "gated_mean", "f2 f2 i1 i1 s f2 f2", "E,C M,C E<M N+1@E - N,C N,C")
_mean_backward = Kernel(
    "gates_kernels", "gated_mean_backward", "f2 f2 i1 i1 f2 f2 f2 f2", "E,C M,C E<M N+1@E N,C N,C E,C M,C"
)
