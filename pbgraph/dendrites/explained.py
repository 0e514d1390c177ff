"""How much of δ a prediction explains, and how much it would by chance.

By chance: δ is shifted against the predictions by a random number of places along the first axis (molecules, atoms,
items) of its batch, around its end, so that what neighbours have in common, as atoms of one molecule do, stays
together. Items that have a batch to themselves are shifted among each other. If δ has nothing to do with a site's
inputs, the shares before and after are draws of one distribution, since the predictions are of learners that have not
seen these rows. δ as it is goes through the same sums as one draw more, so that shifts by none are ties.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pbgraph.dendrites.chance import TOGETHER, Alone, shifted_products, shifts_and_none
from pbgraph.errors import UsageError
from pbgraph.headroom import Explained

INTERVAL = 0.95
_MANY = 10**9


class Tally:
    """Sums over rows of predictions f and of δ, both about the mean that a prediction has to beat, for C neurons.

    rows  so far
    sums  (5, C): Σ f, Σ δ, Σ f², Σ δ², Σ f δ
    """

    def __init__(self, channels: int, device: torch.device) -> None:
        self.rows = 0
        self.sums = torch.zeros(5, channels, dtype=torch.float64, device=device)

    def add(self, predicted: Tensor, delta: Tensor, mean: Tensor) -> None:
        """(P, C) each, and the mean (C,) of δ over the rows that the learner was fitted on."""
        f, d = predicted.double() - mean, delta.double() - mean
        self.rows += len(d)
        self.sums += torch.stack([values.sum(0) for values in (f, d, f * f, d * d, f * d)])

    @property
    def share(self) -> float:
        """Of δ's variance that f explains, over all neurons; 0 where there is none."""
        return float(self.shares(self.sums[4].sum()))

    def shares(self, products: Tensor) -> Tensor:
        """The same, if Σ f δ over all neurons were each of these numbers."""
        squares, variance = self.sums[2].sum(), self.sums[3].sum()
        return (2 * products - squares) / variance if variance > 0 else torch.zeros_like(products)

    def correlation(self) -> tuple[float, ...]:
        """Of f and δ, for each neuron; 0 where either is constant."""
        f, d, ff, dd, fd = self.sums
        n = max(self.rows, 1)
        spread = ((ff - f * f / n).clamp(min=0) * (dd - d * d / n).clamp(min=0)).sqrt()
        varies = spread > 1e-12 * (ff * dd).sqrt()
        return tuple(torch.where(varies, (fd - f * d / n) / spread, 0.0).clamp(-1, 1).tolist())


class Chance:
    """Σ f δ for δ that is shifted at random in every batch, `draws` times over, and for δ as it is.

    products   (draws + 1,)
    generator  of the shifts, on the CPU
    site       its name
    shifted    whether any item could be
    shifts     so many different ones there are, or more
    """

    def __init__(self, draws: int, generator: torch.Generator, site: str) -> None:
        self.products = torch.zeros(draws + 1, dtype=torch.float64)
        self._generator, self._alone = generator, Alone()
        self.site, self.shifted, self.shifts = site, False, 1

    def add(self, predicted: Sequence[Tensor], deltas: Sequence[Tensor], mean: Tensor, axis: int) -> None:
        """Of every call of one batch, shaped as δ: all calls are shifted alike, if they are of as many items."""
        by_length: dict[int, Tensor] = {}
        centre = mean if axis == -1 else mean.reshape(-1, *[1] * (-axis - 1))
        centred = [[value.double() - centre for value in values] for values in (predicted, deltas)]
        for f, delta in zip(*centred, strict=True):
            products = shifted_products(f, delta, axis).sum(1)
            length = len(products)
            by_length[length] = by_length[length] + products if length in by_length else products
        for products in by_length.values():
            self._shift(products)
        self._alone.add(centred[0], centred[1], axis=axis)
        self._shift_alone(TOGETHER)

    def end(self) -> None:
        """All batches have been added."""
        self._shift_alone(2)

    def _shift_alone(self, least: int) -> None:
        for products in self._alone.take(least):
            self._shift(products.sum(1))

    def _shift(self, products: Tensor) -> None:
        self.shifted |= len(products) > 1
        self.shifts = min(self.shifts * max(len(products), 1), _MANY)
        shifts = shifts_and_none(len(products), len(self.products) - 1, self._generator)
        self.products += products.cpu()[shifts]


def explained(train: float, held_out: Tally, chance: Chance) -> Explained:
    """What a learner explains; raises UsageError if no two items could be exchanged."""
    chance.end()
    if not chance.shifted:
        raise UsageError(
            f"headroom was given batches in which site {chance.site!r} has a single item, of another shape in each, so "
            "what would be by chance cannot be told: make larger batches, or leave the site out of sites"
        )
    *_, unshifted = every = held_out.shares(chance.products.to(held_out.sums.device)).cpu()
    shares = every[:-1]
    low, high = shares.quantile(torch.tensor([(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], dtype=shares.dtype)).tolist()
    as_large = int((shares >= unshifted - 1e-12).sum())
    return Explained(
        train=train,
        held_out=held_out.share,
        chance=(low, high),
        p_value=(1 + as_large) / (1 + len(shares)),
        correlation=held_out.correlation(),
        least_p=1 / min(chance.shifts, len(every)),
    )
