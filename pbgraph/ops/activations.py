"""The activation celu(x) = x if x > 0, else exp(x) - 1; its gradient is 1 or celu(x) + 1.

Source: Barron 2017, arXiv:1704.07483, with α = 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pbgraph.ops.kernels import Kernel, fused


def celu_definition(x: Tensor) -> Tensor:
    """The definition in plain PyTorch, for any device; `celu` gives the same faster."""
    return F.celu(x)


def celu(x: Tensor) -> Tensor:
    """celu of every element of x, float of any shape."""
    if not fused((_celu, _celu_backward), x):
        return celu_definition(x)
    return _Celu.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class _Celu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        _celu(x.contiguous().view(-1), y.view(-1))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        d_x = torch.empty_like(y)
        _celu_backward(d_y.contiguous().view(-1), y.view(-1), d_x.view(-1))
        return d_x


_celu = Kernel("activations_kernels", "celu", "f1 f1", "n n")
_celu_backward = Kernel("activations_kernels", "celu_backward", "f1 f1 f1", "n n n")
