"""A GRU cell's gates after its two matrix products: alone (`gru`), or followed by LayerNorm (`gru_norm`).

    r  = σ(m_r + g_r)                  reset gate
    z  = σ(m_z + g_z)                  update gate
    n  = tanh(m_n + r ⊙ g_n)
    h' = (1 - z) ⊙ n + z ⊙ h
    x  = γ ⊙ (h' - mean(h')) / √(var(h') + ε) + β

m = W_i m + b_i and g = W_h h + b_h, (N, 3C) each with the columns [r | z | n].
Source: Cho et al. 2014, arXiv:1406.1078, in PyTorch's arrangement; Ba et al. 2016, arXiv:1607.06450.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pbgraph.ops.kernels import Kernel, fused


def gru_definition(m: Tensor, g: Tensor, h: Tensor) -> Tensor:
    """The definition in plain PyTorch, for any device; `gru` gives the same faster."""
    (m_r, m_z, m_n), (g_r, g_z, g_n) = m.chunk(3, dim=1), g.chunk(3, dim=1)
    reset, update = torch.sigmoid(m_r + g_r), torch.sigmoid(m_z + g_z)
    new = torch.tanh(m_n + reset * g_n)
    return new + update * (h - new)


def gru(m: Tensor, g: Tensor, h: Tensor) -> Tensor:
    """Next state h' (N, C), of the equations above; shapes as for `gru_norm`."""
    if not fused((_gru, _gru_backward), m, g, h):
        return gru_definition(m, g, h)
    return _GRU.apply(m, g, h)  # type: ignore[no-any-return, no-untyped-call]


def gru_cell(cell: torch.nn.GRUCell, message: Tensor, h: Tensor) -> Tensor:
    """``cell(message, h)``, faster: message (N, M), h (N, C) -> (N, C)."""
    return gru(F.linear(message, cell.weight_ih, cell.bias_ih), F.linear(h, cell.weight_hh, cell.bias_hh), h)


def gru_norm_definition(
    m: Tensor, g: Tensor, h: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The definition in plain PyTorch, for any device; `gru_norm` gives the same faster."""
    h = gru_definition(m, g, h)
    return F.layer_norm(h, h.shape[1:], gamma, beta, eps), h


def gru_norm(m: Tensor, g: Tensor, h: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Normalised output x and next state h', both (N, C).

    m, g         (N, 3C) float, the products with message and state
    h            (N, C), the state
    gamma, beta  (C,), scale and shift of LayerNorm; eps its ε
    """
    if not fused((_step, _step_backward), m, g, h, gamma, beta):
        return gru_norm_definition(m, g, h, gamma, beta, eps)
    return _GRUNorm.apply(m, g, h, gamma, beta, eps)  # type: ignore[no-any-return, no-untyped-call]


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, m: Tensor, g: Tensor, h: Tensor) -> Tensor:
        m, g = (gates.contiguous().view(len(h), 3, h.shape[1]) for gates in (m, g))
        h = h.contiguous()
        r, z, n, h_new = (torch.empty_like(h) for _ in range(4))
        _gru(m, g, h, r, z, n, h_new)
        ctx.save_for_backward(g, h, r, z, n)
        return h_new

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_h_new: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        g, h, *_ = saved = ctx.saved_tensors
        d_m, d_g, d_h = torch.empty_like(g), torch.empty_like(g), torch.empty_like(h)
        _gru_backward(d_h_new.contiguous(), *saved, d_m, d_g, d_h)
        return d_m.flatten(1), d_g.flatten(1), d_h


class _GRUNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, m: Tensor, g: Tensor, h: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Any:
        m, g = (gates.contiguous().view(len(h), 3, h.shape[1]) for gates in (m, g))
        h, gamma, beta = h.contiguous(), gamma.contiguous(), beta.contiguous()
        r, z, n, x, h_new = (torch.empty_like(h) for _ in range(5))
        mean, scale = torch.empty(2, len(h), dtype=h.dtype)
        _step(m, g, h, gamma, beta, eps, r, z, n, mean, scale, x, h_new)
        ctx.save_for_backward(g, h, gamma, r, z, n, mean, scale, h_new)
        return x, h_new

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_x: Tensor, d_h_new: Tensor) -> tuple[Tensor | None, ...]:
        g, h, gamma, *_ = saved = ctx.saved_tensors
        d_m, d_g, d_h = torch.empty_like(g), torch.empty_like(g), torch.empty_like(h)
        d_gamma, d_beta = torch.zeros_like(gamma), torch.zeros_like(gamma)
        _step_backward(d_x.contiguous(), d_h_new.contiguous(), *saved, d_m, d_g, d_h, d_gamma, d_beta)
        return d_m.flatten(1), d_g.flatten(1), d_h, d_gamma, d_beta, None


_step = Kernel("recurrent_kernels", "step", "f3 f3 f2 f1 f1 s f2 f2 f2 f1 f1 f2 f2")
_step_backward = Kernel("recurrent_kernels", "step_backward", "f2 f2 f3 f2 f1 f2 f2 f2 f1 f1 f2 f3 f3 f2 f1 f1")
_gru = Kernel("recurrent_kernels", "gru", "f3 f3 f2 f2 f2 f2 f2")
_gru_backward = Kernel("recurrent_kernels", "gru_backward", "f2 f3 f2 f2 f2 f2 f3 f3 f2")
