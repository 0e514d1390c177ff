"""Means and central second moments of two variables a and b, for each column c apart.

ā_c = mean_p a_pc,  b̄_c = mean_p b_pc
Σ_p (a_pc - ā_c)²,  Σ_p (b_pc - b̄_c)²,  Σ_p (a_pc - ā_c)(b_pc - b̄_c)
"""

from __future__ import annotations

import torch
from torch import Tensor

from pbgraph.ops.kernels import Kernel, fused

Sums = tuple[Tensor, Tensor]


def moments_definition(a: Tensor, b: Tensor) -> Sums:
    """The definition in plain PyTorch, for any device; `moments` gives the same faster."""
    a, b = (_rows(values.detach().to(torch.promote_types(values.dtype, torch.float32))) for values in (a, b))
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, b)])
    a, b = a - mean[0].to(a.dtype), b - mean[1].to(b.dtype)
    return mean, torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (b, b), (a, b))])


def moments(a: Tensor, b: Tensor, out: Sums | None = None) -> Sums:
    """Means (2, C) of a and b, and the three sums (3, C), in the order above; float64, no gradient.

    a, b  (P, C) or (B, C, L) float, whose columns have B · L rows
    out   where to write them; may be columns of a wider tensor
    Without rows the means are NaN.
    """
    kernel = _moments if a.ndim == 2 else _moments_by_channel
    if not fused((kernel,), a, b):
        found = moments_definition(a, b)
        return found if out is None else (out[0].copy_(found[0]), out[1].copy_(found[1]))
    if out is None:
        out = torch.empty(2, a.shape[1], dtype=torch.float64), torch.empty(3, a.shape[1], dtype=torch.float64)
    kernel(a.detach().contiguous(), b.detach().contiguous(), *out)
    return out


def _rows(values: Tensor) -> Tensor:
    """(P, C) of either form."""
    return values if values.ndim == 2 else values.movedim(1, -1).flatten(0, 1)


_moments = Kernel("moments_kernels", "moments", "f2 f2 v2 v2", "P,C P,C 2,C 3,C")
_moments_by_channel = Kernel("moments_kernels", "moments_by_channel", "f3 f3 v2 v2", "B,C,L B,C,L 2,C 3,C")
