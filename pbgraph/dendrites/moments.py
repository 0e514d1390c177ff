"""Means and central second moments of activations and errors, for each neuron c apart: the one loop over all patterns.

ā_c = mean_p a_pc,  δ̄_c = mean_p δ_pc
Σ_p (a_pc - ā_c)²,  Σ_p (δ_pc - δ̄_c)²,  Σ_p (a_pc - ā_c)(δ_pc - δ̄_c)

`pbgraph.ops` has a faster form of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pbgraph.dendrites.faster import faster
from pbgraph.dendrites.outputs import rows_of

FASTER = "pbgraph.ops.moments"
Sums = tuple[Tensor, Tensor]


def moments(a: Tensor, delta: Tensor, axis: int = -1) -> Sums:
    """Means (2, C) of a and δ, and the three sums (3, C), in the order above; float64, no gradient.

    a, delta  float, with neurons on `axis`, counted from the last one, -1
    """
    ops = faster(FASTER)
    found: Sums = plain_moments(a, delta, axis) if ops is None else ops.moments(a, delta, axis)
    return found


def side_by_side(pairs: Sequence[tuple[Tensor, Tensor]], axes: Sequence[int], out: Sums) -> None:
    """`moments` of several pairs with as many axes, written into (2, W) and (3, W), one pair after the other."""
    if (ops := faster(FASTER)) is not None:
        ops.side_by_side(pairs, axes, out)
        return
    parts = [plain_moments(a, delta, axis) for (a, delta), axis in zip(pairs, axes, strict=True)]
    for whole, own in zip(out, zip(*parts, strict=True), strict=True):
        torch.cat(own, 1, out=whole)


def plain_moments(a: Tensor, delta: Tensor, axis: int = -1) -> Sums:
    """`moments` in plain PyTorch, on any device."""
    a, delta = (
        rows_of(values.detach().to(torch.promote_types(values.dtype, torch.float32)), axis) for values in (a, delta)
    )
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, delta)])
    a, delta = a - mean[0].to(a.dtype), delta - mean[1].to(delta.dtype)
    return mean, torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (delta, delta), (a, delta))])
