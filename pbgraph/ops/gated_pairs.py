"""What a pair of nodes becomes by both of them, with a factor and a term of its own.

    y_e = ρ((q_{r(e)} + k_{s(e)}) ⊙ w_e) + b_e,        ρ(u) = √u where u > 0, else -√-u

Where |u| is at most 10⁻¹², ρ(u) counts as ±10⁻⁶, or 0 at 0, without gradient, since it would grow without limit.
Source: Ma et al. 2023, arXiv:2305.17589, equation 2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import Kernel, fused
from pbgraph.ops.segment import spread

SMALLEST = 1e-12


def gated_pairs_definition(q: Tensor, k: Tensor, own: Tensor, pairs: Edges) -> Tensor:
    """The definition in plain PyTorch, for any device; `gated_pairs` gives the same faster."""
    factor, term = own.chunk(2, dim=1)
    u = (spread(q, pairs.receiver, pairs.ptr) + spread(k, pairs.sender)) * factor
    return u.sign() * u.abs().clamp(min=SMALLEST).sqrt() + term


def gated_pairs(q: Tensor, k: Tensor, own: Tensor, pairs: Edges) -> Tensor:
    """y (E, C) of receivers q (N, C), senders k (M, C) and own (E, 2C), which is [w ‖ b], float."""
    if not fused((_forward, _backward), q, k, own):
        return gated_pairs_definition(q, k, own, pairs)
    return _GatedPairs.apply(q, k, own, pairs.sender, pairs.ptr)  # type: ignore[no-any-return, no-untyped-call]


class _GatedPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        q, k, own, sender, ptr = (tensor.contiguous() for tensor in inputs)
        y = q.new_empty(len(own), q.shape[1])
        _forward(q, k, own.view(-1, 2, q.shape[1]), sender, ptr, SMALLEST, y)
        ctx.save_for_backward(q, k, own, sender, ptr)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        q, k, own, sender, ptr = ctx.saved_tensors
        d_q, d_k, d_own = torch.zeros_like(q), torch.zeros_like(k), torch.empty_like(own)
        split = [one.view(-1, 2, q.shape[1]) for one in (own, d_own)]
        _backward(q, k, split[0], sender, ptr, SMALLEST, d_y.contiguous(), d_q, d_k, split[1])
        return d_q, d_k, d_own, None, None


_forward = Kernel("gated_pairs_kernels", "gated_pairs", "f2 f2 f3 i1 i1 s f2", "N,C M,C E,2,C E<M N+1@E - E,C")
_backward = Kernel(
    "gated_pairs_kernels",
    "gated_pairs_backward",
    "f2 f2 f3 i1 i1 s f2 f2 f2 f3",
    "N,C M,C E,2,C E<M N+1@E - E,C N,C M,C E,2,C",
)
