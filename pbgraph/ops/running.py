"""Moments of two variables a and b that grow batch by batch, and the gradient of their covariance.

For each column c apart, of a batch with n_c patterns its means m and its sums s (`pbgraph.ops.moments`):

    running    (5, C): a, b, a·a, b·b, a·b: exponential averages of the means, and of the batch's moments about these,
               r ← r + (1 - keep) · (value - r)
    mean, sums (2, C), (3, C): over all patterns so far, N_c before the batch (Chan, Golub & LeVeque 1979):
               mean ← mean + (m - mean) · n / (N + n),   sums ← sums + s + (m - mean)(m - mean) · N n / (N + n)
    gradient   of -|cov| by a: (b - b̄_c) v_c, where v_c is the negative sign of the running a·b, divided by n_c and, for
               one that has no scale, by the running deviations of a and b

Every number is that of the definition, bit for bit: no sum is reordered, no product and sum are made one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor

from pbgraph.ops.addresses import addresses, like, sizes
from pbgraph.ops.kernels import Kernel, fused


def take_in_definition(
    running: Tensor, total: Sequence[Tensor], batch: Sequence[Tensor], *, before: Tensor, patterns: Tensor, keep: float
) -> bool:
    """The definition in plain PyTorch, for any device; `take_in` does the same faster."""
    (mean, sums), (batch_mean, batch_sums) = total, batch
    if not math.isfinite(float(batch_sums.sum())):
        return False
    running[:2].lerp_(batch_mean, 1 - keep)
    running[2:].lerp_(batch_sums / patterns + _products(batch_mean - running[:2]), 1 - keep)
    step, after = batch_mean - mean, before + patterns
    mean += step * (patterns / after)
    sums += batch_sums + _products(step) * (before * patterns / after)
    return True


def take_in(
    running: Tensor, total: Sequence[Tensor], batch: Sequence[Tensor], *, before: Tensor, patterns: Tensor, keep: float
) -> bool:
    """Take a batch into running and total, float64; returns whether: not if its sums are not finite.

    running  (5, C);  total  mean and sums of all batches, (2, C) and (3, C);  batch  those of the batch
    before, patterns  (C,): patterns of all batches before it, and of the batch, at least 1
    keep     weight of the running values: 1 leaves them as they are
    """
    once = contracted()
    if once is None or not fused((_take_in,), running, *total, *batch, before, patterns):
        return take_in_definition(running, total, batch, before=before, patterns=patterns, keep=keep)
    taken = np.empty(1)
    _take_in(running, *total, *batch, before, patterns, keep, once, taken)
    return bool(taken[0])


@cache
def contracted() -> bool | None:
    """Whether torch's lerp rounds its product and sum once, as its loops for newer processors do; None: only some.

    Of -1 + fl(1/3) · 3 nothing is left where the product is rounded.
    """
    found = torch.full((67,), -1.0, dtype=torch.float64).lerp_(torch.full((67,), 2.0, dtype=torch.float64), 1 / 3) != 0
    return bool(found.all()) if bool(found.all()) or not bool(found.any()) else None


def gradients_definition(
    running: Tensor,
    patterns: Tensor,
    errors: Sequence[Tensor],
    *,
    axes: Sequence[int],
    starts: Sequence[int],
    floor: float | None,
) -> list[Tensor]:
    """The definition in plain PyTorch, for any device; `gradients` gives the same faster."""
    _, centre, a_squares, b_squares, covariance = running
    weight = covariance.sign()
    if floor is not None:
        deviations = a_squares.sqrt().clamp(min=floor) * b_squares.sqrt()
        weight = (weight / deviations).where(deviations > 0, torch.zeros_like(weight))
    constants = torch.stack([centre, -weight / patterns])
    found = []
    for b, axis, start in zip(errors, axes, starts, strict=True):
        own = constants[:, start : start + b.shape[axis]].to(b.dtype).reshape(2, -1, *[1] * (-axis - 1))
        found.append((b - own[0]) * own[1])
    return found


def gradients(
    running: Tensor,
    patterns: Tensor,
    errors: Sequence[Tensor],
    *,
    axes: Sequence[int],
    starts: Sequence[int],
    floor: float | None,
) -> list[Tensor]:
    """The gradient above for each of several b of a batch, shaped and typed as these.

    running   (5, C) float64;  patterns  (C,) float64
    errors    b, each of some of the columns: on its axis of `axes`, counted from the last one, -1, the first of them
              being that of `starts`
    floor     smallest deviation of a by which it is divided; None: it is not divided by deviations
    Raises ValueError if there are not so many columns.
    """
    if not errors or not (fused((_gradients,), *errors) and fused((), running, patterns)):
        return gradients_definition(running, patterns, errors, axes=axes, starts=starts, floor=floor)
    errors = [b.contiguous() for b in errors]
    shapes_and_axes = tuple([b.shape for b in errors]), tuple(axes)
    table, first = sizes(*shapes_and_axes), _places(*shapes_and_axes, tuple(starts), len(patterns))
    deviations = running[2:4] if floor is None else running[2:4].sqrt()  # torch's roots need not be the nearest numbers
    out = [torch.empty_like(b) for b in errors]
    scaled = floor is not None
    _gradients(
        like(out[0].dtype),
        running,
        deviations,
        patterns,
        floor or 0.0,
        scaled,
        addresses(errors),
        addresses(out),
        table,
        first,
    )
    return out


@lru_cache
def _places(shapes: tuple[torch.Size, ...], axes: tuple[int, ...], starts: tuple[int, ...], width: int) -> np.ndarray:
    """(n,) int64: the starts; raises ValueError if some of the columns there are beyond the last one."""
    first, counts = np.array(starts, np.int64), sizes(shapes, axes)[:, 1]
    if (first < 0).any() or (first + counts > width).any():
        raise ValueError(f"columns from {list(starts)} on, {counts.tolist()} of them, are more than {width}")
    return first


def _products(off: Tensor) -> Tensor:
    return torch.stack([off[0] * off[0], off[1] * off[1], off[0] * off[1]])


_take_in = Kernel(
    "running_kernels", "take_in", "f2 f2 f2 f2 f2 f1 f1 s b d1", "5,C 2,C 3,C 2,C 3,C C C - - 1", exact=True
)
_gradients = Kernel(
    "running_kernels", "gradients", "f1 d2 d2 d1 s b i1 i1 i2 i1", "1 5,C 2,C C - - n n n,3 n", exact=True
)
