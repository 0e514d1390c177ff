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

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pbgraph.ops.addresses import addresses, sizes
from pbgraph.ops.kernels import Kernel, fused


def take_in_definition(
    running: Tensor, total: Sequence[Tensor], batch: Sequence[Tensor], *, before: Tensor, patterns: Tensor, keep: float
) -> None:
    """The definition in plain PyTorch, for any device; `take_in` does the same faster."""
    (mean, sums), (batch_mean, batch_sums) = total, batch
    running[:2].lerp_(batch_mean, 1 - keep)
    running[2:].lerp_(batch_sums / patterns + _products(batch_mean - running[:2]), 1 - keep)
    step, after = batch_mean - mean, before + patterns
    mean += step * (patterns / after)
    sums += batch_sums + _products(step) * (before * patterns / after)


def take_in(
    running: Tensor, total: Sequence[Tensor], batch: Sequence[Tensor], *, before: Tensor, patterns: Tensor, keep: float
) -> None:
    """Take a batch into running and total, float64.

    running  (5, C);  total  mean and sums of all batches, (2, C) and (3, C);  batch  those of the batch
    before, patterns  (C,): patterns of all batches before it, and of the batch, at least 1
    keep     weight of the running values: 1 leaves them as they are
    """
    if not fused((_take_in,), running, *total, *batch, before, patterns):
        take_in_definition(running, total, batch, before=before, patterns=patterns, keep=keep)
        return
    about = torch.empty_like(batch[1])
    running[:2].lerp_(batch[0], 1 - keep)
    _take_in(running, *total, *batch, before, patterns, about)
    running[2:].lerp_(about, 1 - keep)


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
    table, first = sizes(tuple([b.shape for b in errors]), tuple(axes)), np.array(starts, np.int64)
    if (first < 0).any() or (first + table[:, 1] > len(patterns)).any():
        raise ValueError(f"columns from {starts} on, {table[:, 1].tolist()} of them, are more than {len(patterns)}")
    deviations = running[2:4] if floor is None else running[2:4].sqrt()  # torch's roots need not be the nearest numbers
    out = [torch.empty_like(b) for b in errors]
    scaled = floor is not None
    _gradients(
        out[0].new_empty(1),
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


def _products(off: Tensor) -> Tensor:
    return torch.stack([off[0] * off[0], off[1] * off[1], off[0] * off[1]])


_take_in = Kernel("running_kernels", "take_in", "f2 f2 f2 f2 f2 f1 f1 f2", "5,C 2,C 3,C 2,C 3,C C C 3,C", exact=True)
_gradients = Kernel(
    "running_kernels", "gradients", "f1 d2 d2 d1 s b i1 i1 i2 i1", "1 5,C 2,C C - - n n n,3 n", exact=True
)
