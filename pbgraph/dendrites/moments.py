"""Means and central second moments of activations and errors, for each neuron c apart: the one loop over all patterns.

ā_c = mean_p a_pc,  δ̄_c = mean_p δ_pc
Σ_p (a_pc - ā_c)²,  Σ_p (δ_pc - δ̄_c)²,  Σ_p (a_pc - ā_c)(δ_pc - δ̄_c)

`pbgraph.ops` has a faster form of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from pbgraph.dendrites.faster import faster
from pbgraph.dendrites.outputs import rows_of

FASTER = "pbgraph.ops.moments"
Sums = tuple[Tensor, Tensor]
Compute = Callable[[Tensor, Tensor, Sums | None], Sums]


def moments(a: Tensor, delta: Tensor, out: Sums | None = None) -> Sums:
    """Means (2, C) of a and δ, and the three sums (3, C), in the order above; float64, no gradient.

    a, delta  (P, C) or (B, C, L) float, whose neurons have B · L patterns
    out       where to write them; may be columns of a wider tensor
    """
    return form()(a, delta, out)


def plain_moments(a: Tensor, delta: Tensor, out: Sums | None = None) -> Sums:
    """`moments` in plain PyTorch, on any device."""
    a, delta = (
        rows_of(values.detach().to(torch.promote_types(values.dtype, torch.float32)), 1 - values.ndim)
        for values in (a, delta)
    )
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, delta)])
    a, delta = a - mean[0].to(a.dtype), delta - mean[1].to(delta.dtype)
    sums = torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (delta, delta), (a, delta))])
    return (mean, sums) if out is None else (out[0].copy_(mean), out[1].copy_(sums))


@cache
def form() -> Compute:
    """What computes them here."""
    module = faster(FASTER)
    return plain_moments if module is None else module.moments
