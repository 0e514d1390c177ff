"""Ridge regression from second moments, so that rows are read twice, however many strengths and folds there are.

With x and y in units of their deviations over the fitted rows, R = corr(x, x) and r = corr(x, y):

    B = (R + λ I)⁻¹ r,            f(x) = ȳ + B (x − x̄)

Each y has a strength λ of its own, the one with the smallest error on folds that were left out in turn; an infinite
one, by which f is the mean, is among them.

Source: Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STRENGTHS = tuple(10.0**power for power in (-4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3))


@dataclass(frozen=True, eq=False)
class Sums:
    """Of rows of x (D,) and y (C,), float64: their number, Σ x, Σ y, Σ x xᵀ (D, D), Σ x yᵀ (D, C) and Σ y² (C,)."""

    rows: int
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Sums:
        """x (P, D), y (P, C)."""
        x, y = x.double(), y.double()
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y, y.square().sum(0))

    def plus(self, other: Sums) -> Sums:
        """Of the rows of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Sums(*(ours + theirs for ours, theirs in pairs))

    def centred(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Σ (x − a)(x − a)ᵀ, Σ (x − a)(y − b)ᵀ and Σ (y − b)² about any a (D,) and b (C,)."""
        xx = self.xx - torch.outer(self.x, x) - torch.outer(x, self.x) + self.rows * torch.outer(x, x)
        xy = self.xy - torch.outer(self.x, y) - torch.outer(x, self.y) + self.rows * torch.outer(x, y)
        return xx, xy, self.yy - 2 * y * self.y + self.rows * y.square()


@dataclass(frozen=True, eq=False)
class Linear:
    """f(x) = offset + (x − centre) · weight, with weight (D, C)."""

    centre: Tensor
    weight: Tensor
    offset: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(P, D) -> (P, C) float64."""
        return self.offset + (x.double() - self.centre) @ self.weight


def ridge(folds: Sequence[Sums]) -> Linear:
    """Fitted to all rows of these folds, with strengths chosen among them; of one fold, by the mean alone."""
    errors = None
    for left_out in range(len(folds)) if len(folds) > 1 else ():
        fitted = _joined([fold for number, fold in enumerate(folds) if number != left_out])
        own = torch.stack([_error(one, folds[left_out]) for one in _path(fitted)])
        errors = own if errors is None else errors + own
    path = _path(_joined(folds))
    if errors is None:
        return path[-1]
    chosen = errors.argmin(0)  # (C,)
    weight = torch.stack([one.weight for one in path])[chosen, :, torch.arange(len(chosen), device=chosen.device)].T
    return Linear(path[0].centre, weight, path[0].offset)


def _joined(folds: Sequence[Sums]) -> Sums:
    total = folds[0]
    for fold in folds[1:]:
        total = total.plus(fold)
    return total


def _path(sums: Sums) -> list[Linear]:
    """A fit for each strength, and the mean last."""
    centre, offset = sums.x / sums.rows, sums.y / sums.rows
    xx, xy, _ = sums.centred(centre, offset)
    scale = xx.diagonal().clamp(min=0).sqrt()
    varies = scale > 1e-7 * (sums.rows**0.5) * centre.abs()
    inverse = torch.where(varies & (scale > 0), 1 / scale, 0.0)
    values, vectors = torch.linalg.eigh(xx * torch.outer(inverse, inverse))
    along = vectors.T @ (xy * inverse[:, None])
    weights = [inverse[:, None] * (vectors @ (along / (values.clamp(min=0) + s)[:, None])) for s in STRENGTHS]
    return [Linear(centre, weight, offset) for weight in (*weights, torch.zeros_like(xy))]


def _error(fit: Linear, sums: Sums) -> Tensor:
    """Sum of squared errors (C,) on these rows."""
    xx, xy, yy = sums.centred(fit.centre, fit.offset)
    error: Tensor = yy - 2 * (fit.weight * xy).sum(0) + (fit.weight * (xx @ fit.weight)).sum(0)
    return error
