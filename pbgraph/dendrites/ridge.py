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


@dataclass(frozen=True, eq=False)
class _Path:
    """Fits to the same rows, one for each strength and the mean last, along the eigenvectors V of R = V diag(v) Vᵀ.

    B = diag(inverse) V diag(1 / (v + λ)) (Vᵀ r), by which a fit's errors need no B.

    along   Vᵀ r (D, C)
    scaled  diag(inverse) V (D, D), where inverse is 1 over the deviation of each x
    """

    centre: Tensor
    offset: Tensor
    values: Tensor
    along: Tensor
    scaled: Tensor

    @classmethod
    def of(cls, sums: Sums) -> _Path:
        """Fitted to all of these rows."""
        centre, offset = sums.x / sums.rows, sums.y / sums.rows
        xx, xy, _ = sums.centred(centre, offset)
        scale = xx.diagonal().clamp(min=0).sqrt()
        varies = scale > 1e-7 * (sums.rows**0.5) * centre.abs()
        inverse = torch.where(varies & (scale > 0), 1 / scale, 0.0)
        values, vectors = torch.linalg.eigh(xx * torch.outer(inverse, inverse))
        scaled = inverse[:, None] * vectors
        return cls(centre, offset, values.clamp(min=0), scaled.T @ xy, scaled)

    def errors(self, sums: Sums) -> Tensor:
        """Sums of squared errors on these rows, of each fit: (strengths + 1, C)."""
        xx, xy, yy = sums.centred(self.centre, self.offset)
        xx, xy = self.scaled.T @ xx @ self.scaled, self.scaled.T @ xy
        fits = [self.along / (self.values + strength)[:, None] for strength in STRENGTHS]
        return torch.stack([yy + (fit * (xx @ fit - 2 * xy)).sum(0) for fit in fits] + [yy])

    def chosen(self, numbers: Tensor) -> Linear:
        """The fit of each y with the strength of this number (C,)."""
        strengths = torch.tensor((*STRENGTHS, torch.inf), dtype=self.values.dtype, device=self.values.device)
        fit = self.along / (self.values[:, None] + strengths[numbers])
        return Linear(self.centre, self.scaled @ fit, self.offset)


def ridge(folds: Sequence[Sums]) -> Linear:
    """Fitted to all rows of these folds, with strengths chosen among them; of one fold, by the mean alone."""
    path = _Path.of(_joined(folds))
    if len(folds) == 1:
        return path.chosen(torch.full_like(path.offset, len(STRENGTHS), dtype=torch.long))
    errors = torch.zeros(len(STRENGTHS) + 1, len(path.offset), dtype=path.offset.dtype, device=path.offset.device)
    for left_out, fold in enumerate(folds):
        errors += _Path.of(_joined([other for number, other in enumerate(folds) if number != left_out])).errors(fold)
    return path.chosen(errors.argmin(0))


def _joined(folds: Sequence[Sums]) -> Sums:
    total = folds[0]
    for fold in folds[1:]:
        total = total.plus(fold)
    return total
