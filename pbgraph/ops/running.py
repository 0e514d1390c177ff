"""Moments of two variables a and b that grow batch by batch, and what the gradient of their covariance takes of them.

For each column c apart, of a batch with n_c patterns its means m and its sums s (`pbgraph.ops.moments`):

    running    (5, C): a, b, a·a, b·b, a·b: exponential averages of the means, and of the batch's moments about these,
               r ← r + (1 - keep) · (value - r)
    mean, sums (2, C), (3, C): over all patterns so far, N_c before the batch (Chan, Golub & LeVeque 1979):
               mean ← mean + (m - mean) · n / (N + n),   sums ← sums + s + (m - mean)(m - mean) · N n / (N + n)

Every number is that of the definition, bit for bit: no sum is reordered, no product and sum are made one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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


def gradient_constants_definition(running: Tensor, patterns: Tensor, floor: float | None = None) -> Tensor:
    """The definition in plain PyTorch, for any device; `gradient_constants` gives the same faster."""
    _, centre, a_squares, b_squares, covariance = running
    weight = covariance.sign()
    if floor is not None:
        deviations = a_squares.sqrt().clamp(min=floor) * b_squares.sqrt()
        weight = (weight / deviations).where(deviations > 0, torch.zeros_like(weight))
    return torch.stack([centre, -weight / patterns])


def gradient_constants(running: Tensor, patterns: Tensor, floor: float | None = None) -> Tensor:
    """(2, C) float64: c and v of the gradient (b - c) · v of -|cov(a, b)| for an a of a batch with so many patterns.

    floor  a is divided by its running deviation, or this if that is less, and b by its own; None: by nothing
    """
    if not fused((_constants,), running, patterns):
        return gradient_constants_definition(running, patterns, floor)
    deviations = running[2:4] if floor is None else running[2:4].sqrt()  # torch's roots need not be the nearest numbers
    out = torch.empty_like(deviations)
    _constants(running, deviations, patterns, 0.0 if floor is None else floor, floor is not None, out)
    return out


def _products(off: Tensor) -> Tensor:
    return torch.stack([off[0] * off[0], off[1] * off[1], off[0] * off[1]])


_take_in = Kernel("running_kernels", "take_in", "f2 f2 f2 f2 f2 f1 f1 f2", "5,C 2,C 3,C 2,C 3,C C C 3,C", exact=True)
_constants = Kernel("running_kernels", "gradient_constants", "f2 f2 f1 s b f2", "5,C 2,C C - - 2,C", exact=True)
