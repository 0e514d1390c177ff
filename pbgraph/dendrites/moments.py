"""Means and central second moments of activations and errors, for each neuron c apart: the one loop over all patterns.

ā_c = mean_p a_pc,  δ̄_c = mean_p δ_pc
Σ_p (a_pc - ā_c)²,  Σ_p (δ_pc - δ̄_c)²,  Σ_p (a_pc - ā_c)(δ_pc - δ̄_c)

`pbgraph.ops` has a faster form of it. It is asked for when it is first needed, and done without where it is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

FASTER = "pbgraph.ops.moments"
Compute = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def moments(a: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """Means (2, C) of a and δ (P, C) float, and the three sums (3, C), in the order above; float64, no gradient."""
    return form()(a, delta)


def plain_moments(a: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """`moments` in plain PyTorch, on any device."""
    a, delta = (values.detach().to(torch.promote_types(values.dtype, torch.float32)) for values in (a, delta))
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, delta)])
    a, delta = a - mean[0].to(a.dtype), delta - mean[1].to(delta.dtype)
    return mean, torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (delta, delta), (a, delta))])


@cache
def form() -> Compute:
    """What computes them here."""
    try:
        faster: Compute = import_module(FASTER).moments
    except ModuleNotFoundError:
        return plain_moments
    return faster
