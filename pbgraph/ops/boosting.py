"""Sums of what nodes receive, boosted by the largest of it.

    y_i = (Σ_e m_e) ⊙ max_e m_e                            over the edges e into i, for each channel apart

A node without edges gets 0. Where several messages are the largest, its gradient is shared among them.
Source: Song et al. 2020, doi:10.24963/ijcai.2020/392 (the message booster).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import segment_max, segment_sum


def boosted_sum_definition(messages: Tensor, edges: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `boosted_sum` gives the same faster."""
    total = segment_sum(messages, edges.receiver, edges.num_receivers, edges.ptr)
    return total * segment_max(messages, edges.receiver, edges.ptr)


def boosted_sum(messages: Tensor, edges: Edges) -> Tensor:
    """y (N, C) of messages (E, C) float, sorted by receiver."""
    if not fused((_boost, _boost_backward), messages):
        return boosted_sum_definition(messages, edges)
    return _BoostedSum.apply(messages, edges.ptr)  # type: ignore[no-any-return, no-untyped-call]


class _BoostedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, ptr: Tensor) -> Tensor:
        messages, ptr = messages.contiguous(), ptr.contiguous()
        total, largest, y = (messages.new_empty(len(ptr) - 1, messages.shape[1]) for _ in range(3))
        _boost(messages, ptr, total, largest, y)
        ctx.save_for_backward(messages, ptr, total, largest)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, None]:
        messages, ptr, total, largest = ctx.saved_tensors
        d_messages = torch.empty_like(messages)
        _boost_backward(messages, ptr, largest, d_y * total, d_y * largest, d_messages)
        return d_messages, None


_boost = Kernel("boosting_kernels", "boost", "f2 i1 f2 f2 f2", "E,C N+1@E N,C N,C N,C")
_boost_backward = Kernel("boosting_kernels", "boost_backward", "f2 i1 f2 f2 f2 f2", "E,C N+1@E N,C N,C N,C E,C")
