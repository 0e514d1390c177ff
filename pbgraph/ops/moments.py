"""Means and central second moments of two variables a and b, for each column c apart.

ā_c = mean_p a_pc,  b̄_c = mean_p b_pc
Σ_p (a_pc - ā_c)²,  Σ_p (b_pc - b̄_c)²,  Σ_p (a_pc - ā_c)(b_pc - b̄_c)
"""

from __future__ import annotations

import torch
from torch import Tensor

from pbgraph.ops.kernels import Kernel, fused


def moments_definition(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The definition in plain PyTorch, for any device; `moments` gives the same faster."""
    a, b = (values.detach().to(torch.promote_types(values.dtype, torch.float32)) for values in (a, b))
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, b)])
    a, b = a - mean[0].to(a.dtype), b - mean[1].to(b.dtype)
    return mean, torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (b, b), (a, b))])


def moments(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Means (2, C) of a and b (P, C) float, and the three sums (3, C), in the order above; float64, no gradient.

    Without rows the means are NaN.
    """
    if not fused((_moments,), a, b):
        return moments_definition(a, b)
    mean, sums = (a.new_zeros(rows, a.shape[1], dtype=torch.float64) for rows in (2, 3))
    _moments(a.detach().contiguous(), b.detach().contiguous(), mean, sums)
    return mean, sums


_moments = Kernel("moments_kernels", "moments", "f2 f2 d2 d2", "P,C P,C 2,C 3,C")
