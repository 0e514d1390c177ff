"""Means and central second moments of two variables a and b, for each column c apart.

ā_c = mean_p a_pc,  b̄_c = mean_p b_pc
Σ_p (a_pc - ā_c)²,  Σ_p (b_pc - b̄_c)²,  Σ_p (a_pc - ā_c)(b_pc - b̄_c)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pbgraph.ops.addresses import addresses, columns, like, sizes
from pbgraph.ops.kernels import Kernel, fused

Sums = tuple[Tensor, Tensor]


def moments_definition(a: Tensor, b: Tensor, axis: int = -1) -> Sums:
    """The definition in plain PyTorch, for any device; `moments` gives the same faster."""
    a, b = (_rows(values.detach().to(torch.promote_types(values.dtype, torch.float32)), axis) for values in (a, b))
    mean = torch.stack([values.mean(0, dtype=torch.float64) for values in (a, b)])
    a, b = a - mean[0].to(a.dtype), b - mean[1].to(b.dtype)
    return mean, torch.stack([(x * y).sum(0, dtype=torch.float64) for x, y in ((a, a), (b, b), (a, b))])


def moments(a: Tensor, b: Tensor, axis: int = -1) -> Sums:
    """Means (2, C) of a and b, and the three sums (3, C), in the order above; float64, no gradient.

    a, b  float, of one shape, with columns on `axis`, counted from the last one, -1
    Without rows the means are NaN. Raises ValueError if shapes differ.
    """
    return side_by_side([(a, b)], [axis])


def side_by_side(pairs: Sequence[tuple[Tensor, Tensor]], axes: Sequence[int], out: Sums | None = None) -> Sums:
    """`moments` of several pairs with as many axes, the columns of one pair after those of another.

    out  where to write them, (2, W) and (3, W) float64, if there is a place for them
    """
    for a, b in pairs:
        if a.shape != b.shape:
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            raise ValueError(f"moments of two variables of shapes {shapes}; give one shape")
    first, second = [a.contiguous() for a, _ in pairs], [b.contiguous() for _, b in pairs]
    if not fused((_moments,), *first, *second):
        return _defined(pairs, axes, out)
    shapes_and_axes = tuple([a.shape for a in first]), tuple(axes)
    table, width = sizes(*shapes_and_axes), columns(*shapes_and_axes)
    if out is None:
        out = torch.empty(2, width, dtype=torch.float64), torch.empty(3, width, dtype=torch.float64)
    elif out[0].shape[1] != width:
        raise ValueError(f"moments of {width} columns do not fit into {out[0].shape[1]}")
    _moments(like(first[0].dtype), addresses(first), addresses(second), table, *out)
    return out


def _defined(pairs: Sequence[tuple[Tensor, Tensor]], axes: Sequence[int], out: Sums | None) -> Sums:
    parts = [moments_definition(a, b, axis) for (a, b), axis in zip(pairs, axes, strict=True)]
    mean, sums = (torch.cat(own, 1) for own in zip(*parts, strict=True))
    return (mean, sums) if out is None else (out[0].copy_(mean), out[1].copy_(sums))


def _rows(values: Tensor, axis: int) -> Tensor:
    """(P, C)."""
    last = values.movedim(axis, -1)
    return last.flatten(0, -2) if last.ndim > 1 else last.unsqueeze(0)


_moments = Kernel("moments_kernels", "moments", "f1 i1 i1 i2 d2 d2", "1 n n n,3 2,W 3,W")
