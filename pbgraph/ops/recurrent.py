"""A GRU cell's gates after its two matrix products: alone (`gru`), or followed by LayerNorm (`gru_norm`).

    r  = σ(m_r + b_r + g_r + c_r)          reset gate
    z  = σ(m_z + b_z + g_z + c_z)          update gate
    n  = tanh(m_n + b_n + r ⊙ (g_n + c_n))
    h' = (1 - z) ⊙ n + z ⊙ h
    x  = γ ⊙ (h' - mean(h')) / √(var(h') + ε) + β

m = W_i m and g = W_h h, (N, 3C) each with the columns [r | z | n]; b = b_i and c = b_h, their biases (3C,), which the
products would have to copy to every row.
Source: Cho et al. 2014, arXiv:1406.1078, in PyTorch's arrangement; Ba et al. 2016, arXiv:1607.06450.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pbgraph.ops.kernels import Kernel, fused


def gru_definition(m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The definition in plain PyTorch, for any device; `gru` gives the same faster."""
    (m_r, m_z, m_n), (g_r, g_z, g_n) = (m + b).chunk(3, dim=1), (g + c).chunk(3, dim=1)
    reset, update = torch.sigmoid(m_r + g_r), torch.sigmoid(m_z + g_z)
    new = torch.tanh(m_n + reset * g_n)
    return new + update * (h - new)


def gru(m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Next state h' (N, C), of the equations above; shapes as for `gru_norm`."""
    if not fused((_gru, _gru_backward), m, g, h, b, c):
        return gru_definition(m, g, h, b, c)
    return _GRU.apply(m, g, h, b, c)  # type: ignore[no-any-return, no-untyped-call]


def gru_cell(cell: torch.nn.GRUCell, message: Tensor, h: Tensor) -> Tensor:
    """``cell(message, h)`` for a cell with biases, faster: message (N, M), h (N, C) -> (N, C)."""
    if h.device.type != "cpu":  # there torch has the gates as one kernel
        new: Tensor = cell(message, h)
        return new
    return gru(message @ cell.weight_ih.t(), h @ cell.weight_hh.t(), h, cell.bias_ih, cell.bias_hh)


def gru_norm_definition(
    m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The definition in plain PyTorch, for any device; `gru_norm` gives the same faster."""
    h = gru_definition(m, g, h, b, c)
    return F.layer_norm(h, h.shape[1:], gamma, beta, eps), h


def gru_norm(
    m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor, gamma: Tensor, beta: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Normalised output x and next state h', both (N, C).

    m, g         (N, 3C) float, the products with message and state
    h            (N, C), the state
    b, c         (3C,), biases of m and g
    gamma, beta  (C,), scale and shift of LayerNorm; eps its ε
    """
    if not fused((_step, _step_backward), m, g, h, b, c, gamma, beta):
        return gru_norm_definition(m, g, h, b, c, gamma, beta, eps)
    return _GRUNorm.apply(m, g, h, b, c, gamma, beta, eps)  # type: ignore[no-any-return, no-untyped-call]


def gru_cell_norm(
    cell: torch.nn.GRUCell, norm: torch.nn.LayerNorm, message: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    """``h = cell(message, h)`` for a cell with biases, and ``(norm(h), h)``, faster; shapes as for `gru_cell`."""
    if h.device.type != "cpu":
        h = gru_cell(cell, message, h)
        return norm(h), h
    m, g = message @ cell.weight_ih.t(), h @ cell.weight_hh.t()
    return gru_norm(m, g, h, cell.bias_ih, cell.bias_hh, norm.weight, norm.bias, norm.eps)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor) -> Tensor:
        m, g = (gates.contiguous().view(len(h), 3, h.shape[1]) for gates in (m, g))
        b, c = (bias.contiguous().view(3, h.shape[1]) for bias in (b, c))
        h = h.contiguous()
        r, z, n, h_new = (torch.empty_like(h) for _ in range(4))
        _gru(m, g, h, b, c, r, z, n, h_new)
        ctx.save_for_backward(g, h, c, r, z, n)
        return h_new

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_h_new: Tensor) -> tuple[Tensor, ...]:
        g, h, c, *_ = saved = ctx.saved_tensors
        d_m, d_g, d_h = torch.empty_like(g), torch.empty_like(g), torch.empty_like(h)
        d_b, d_c = torch.zeros_like(c), torch.zeros_like(c)
        _gru_backward(d_h_new.contiguous(), *saved, d_m, d_g, d_h, d_b, d_c)
        return d_m.flatten(1), d_g.flatten(1), d_h, d_b.flatten(), d_c.flatten()


class _GRUNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, m: Tensor, g: Tensor, h: Tensor, b: Tensor, c: Tensor, gamma: Tensor, beta: Tensor, eps: float
    ) -> Any:
        m, g = (gates.contiguous().view(len(h), 3, h.shape[1]) for gates in (m, g))
        b, c = (bias.contiguous().view(3, h.shape[1]) for bias in (b, c))
        h, gamma, beta = h.contiguous(), gamma.contiguous(), beta.contiguous()
        r, z, n, x, h_new = (torch.empty_like(h) for _ in range(5))
        mean, scale = torch.empty(2, len(h), dtype=h.dtype)
        _step(m, g, h, b, c, gamma, beta, eps, r, z, n, mean, scale, x, h_new)
        ctx.save_for_backward(g, h, c, gamma, r, z, n, mean, scale, h_new)
        return x, h_new

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_x: Tensor, d_h_new: Tensor) -> tuple[Tensor | None, ...]:
        g, h, c, gamma, *_ = saved = ctx.saved_tensors
        d_m, d_g, d_h = torch.empty_like(g), torch.empty_like(g), torch.empty_like(h)
        d_b, d_c, d_gamma, d_beta = (torch.zeros_like(parameter) for parameter in (c, c, gamma, gamma))
        _step_backward(d_x.contiguous(), d_h_new.contiguous(), *saved, d_m, d_g, d_h, d_b, d_c, d_gamma, d_beta)
        return d_m.flatten(1), d_g.flatten(1), d_h, d_b.flatten(), d_c.flatten(), d_gamma, d_beta, None


_step = Kernel(
    "recurrent_kernels",
    "step",
    "f3 f3 f2 f2 f2 f1 f1 s f2 f2 f2 f1 f1 f2 f2",
    "N,3,C N,3,C N,C 3,C 3,C C C - N,C N,C N,C N N N,C N,C",
)
_step_backward = Kernel(
    "recurrent_kernels",
    "step_backward",
    "f2 f2 f3 f2 f2 f1 f2 f2 f2 f1 f1 f2 f3 f3 f2 f2 f2 f1 f1",
    "N,C N,C N,3,C N,C 3,C C N,C N,C N,C N N N,C N,3,C N,3,C N,C 3,C 3,C C C",
)
_gru = Kernel("recurrent_kernels", "gru", "f3 f3 f2 f2 f2 f2 f2 f2 f2", "N,3,C N,3,C N,C 3,C 3,C N,C N,C N,C N,C")
_gru_backward = Kernel(
    "recurrent_kernels",
    "gru_backward",
    "f2 f3 f2 f2 f2 f2 f2 f3 f3 f2 f2 f2",
    "N,C N,3,C N,C 3,C N,C N,C N,C N,3,C N,3,C N,C 3,C 3,C",
)
