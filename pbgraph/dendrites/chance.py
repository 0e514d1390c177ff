"""What candidates of a site would score on held-out rows by chance.

δ is shifted against a by a random number of items along the first axis of its batch, around its end, so that what
neighbours have in common stays together; every epoch and every candidate has the same shifts. Items that have a batch
to themselves are shifted among each other. The null distribution is that of the best score of all epochs and
candidates, as the score is that it is compared with. δ as it is goes through the same sums as one draw more, so that
shifts by none are ties: where few are to be had, the p-value is no smaller than their number allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pbgraph.dendrites.objective import CandidateStatistics, correlations
from pbgraph.dendrites.outputs import neurons_last
from pbgraph.dendrites.processes import Processes
from pbgraph.streams import generator

DRAWS = 399  # at the least
LEVEL = 0.05  # of all sites of a network together
TOGETHER = 8  # items that have a batch to themselves, and are shifted among each other
SHAPES = 16  # of which such items wait for others; more would take memory, and the first are left as they are
ROUNDING = 1e-3  # of a score in single precision, as a share of it: far above what it is off by


def enough_draws(tests: int, least: int = DRAWS) -> int:
    """So many, `least` at the least, that one of so many tests can be above chance by Bonferroni's correction.

    >>> enough_draws(8), 1 / (1 + enough_draws(21)) <= LEVEL / 21 < 1 / (1 + DRAWS)
    (399, True)
    """
    return max(least, round(tests / LEVEL))


class ChanceScores:
    """Of the candidates of one site, whose statistics over held-out rows these are.

    draws    so many shifts
    shifted  whether any item could be, in this process; None before the first one
    best     (draws + 1, C), or (draws + 1, 1) where the score is a mean over neurons: the largest so far, for each draw
             and, in the last row, for δ as it is
    """

    def __init__(
        self,
        site: str,
        scored: Sequence[CandidateStatistics],
        processes: Processes,
        *,
        by_neuron: bool,
        draws: int = DRAWS,
    ) -> None:
        self._site, self._scored, self._processes, self._by_neuron = site, scored, processes, by_neuron
        self.draws = draws
        channels, device = scored[0].mean.shape[1], scored[0].mean.device
        self._products = torch.zeros(len(scored), draws + 1, channels, dtype=torch.float64, device=device)
        self.best = torch.zeros(draws + 1, channels if by_neuron else 1, dtype=torch.float64, device=device)
        self._batches = 0
        self._alone = [Alone() for _ in scored]
        self.shifted: bool | None = None

    def add(self, number: int, calls: Sequence[Tensor], deltas: Sequence[Tensor], *, axis: int, factor: float) -> None:
        """Activations of one candidate, and δ times a factor, in every call of one batch.

        All calls are shifted alike, if they are of as many items.
        """
        found: dict[int, Tensor] = {}
        for a, delta in zip(calls, deltas, strict=True):
            products = shifted_products(a.detach(), delta, axis)
            length = len(products)
            found[length] = found[length] + products if length in found else products
        for length, products in found.items():
            self._shift(number, factor * products, f"{length}")
        self._alone[number].add(calls, deltas, axis=axis, factor=factor)
        self._shift_alone(number, TOGETHER)

    def _shift_alone(self, number: int, least: int) -> None:
        for products in self._alone[number].take(least):
            self._shift(number, products, f"{len(products)} batches")

    def _shift(self, number: int, products: Tensor, place: str) -> None:
        """Take in products for every shift, by one that is drawn for each draw."""
        self.shifted = bool(self.shifted) or len(products) > 1
        stream = generator(0, f"dendrite/chance/{self._site}/{self._batches}/{place}")
        shifts = shifts_and_none(len(products), self.draws, stream)
        self._products[number] += products[shifts.to(products.device)]

    def next_batch(self) -> None:
        """The batch is over."""
        self._batches += 1

    def end_epoch(self, seen: Sequence[int]) -> None:
        """Take in an epoch, in which these candidates had held-out rows."""
        for number in seen:
            self._shift_alone(number, 2)
        self._alone = [Alone() for _ in self._scored]
        products = self._processes.total(self._products)
        for number in seen:
            scores = self._scores(self._scored[number], products[number])
            self.best = torch.maximum(self.best, scores if self._by_neuron else scores.mean(1, keepdim=True))
        self._products.zero_()
        self._batches = 0

    def _scores(self, scored: CandidateStatistics, products: Tensor) -> Tensor:
        """(draws + 1, C): |corr| for each draw, and for δ as it is."""
        return correlations(scored, products - scored.patterns * scored.mean[0] * scored.mean[1])

    def p_value(self, score: float) -> float:
        """How often the best score is as large by chance.

        A score that is that of δ as it is but for rounding, which is single there and double here, counts as that one.
        """
        by_chance: list[float] = self.best.mean(1).tolist()
        unshifted = by_chance.pop()
        least = unshifted if math.isclose(score, unshifted, rel_tol=ROUNDING, abs_tol=ROUNDING**2) else score
        as_large = sum(one >= least * (1 - 1e-9) for one in by_chance)
        return (1 + as_large) / (1 + self.draws)

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        alone = {"alone": [one.state() for one in self._alone]} if any(self._alone) else {}
        plain = {"batches": self._batches, "shifted": self.shifted}
        return {"products": self._products.clone(), "best": self.best.clone(), **plain, **alone}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        rows = len(state["best"])  # an earlier version had none for δ as it is
        self._products[:, :rows] = state["products"].to(self._products.device)
        self.best[:rows] = state["best"].to(self.best.device)
        self._batches, self.shifted = state["batches"], state.get("shifted", True)
        for one, items in zip(self._alone, state.get("alone", ()), strict=False):
            one.load(items)


def shifts_and_none(length: int, draws: int, stream: torch.Generator) -> Tensor:
    """(draws + 1,): so many places to shift by, drawn from the stream, and 0."""
    return torch.cat([torch.randint(length, (draws,), generator=stream), torch.zeros(1, dtype=torch.long)])


class Alone:
    """Items that have a batch to themselves, where no shift is: they are shifted among others of their shape."""

    def __init__(self) -> None:
        self._items: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, calls: Sequence[Tensor], deltas: Sequence[Tensor], *, axis: int, factor: float = 1.0) -> None:
        """The calls of one batch that are of one item, if there are any: arguments as of `ChanceScores.add`."""
        own = [pair for pair in zip(calls, deltas, strict=True) if pair[0].numel() and _count(pair[0], axis) == 1]
        if own:
            pairs = zip(*own, strict=True)
            a, delta = (torch.cat([_items(one.detach().double(), axis) for one in each], 1) for each in pairs)
            self._items.setdefault(a.shape, []).append((a * factor, delta))
            if len(self._items) > SHAPES:
                del self._items[next(iter(self._items))]

    def take(self, least: int) -> Iterator[Tensor]:
        """(items, C) for each shape of which there are so many: what every shift adds to products without one.

        These items are forgotten.
        """
        for shape, items in list(self._items.items()):
            if len(items) >= least:
                del self._items[shape]
                products = _products(*(torch.cat(values) for values in zip(*items, strict=True)))
                yield products - products[0]

    def state(self) -> list[tuple[Tensor, Tensor]]:
        """All of them."""
        return [pair for items in self._items.values() for pair in items]

    def load(self, items: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take over a saved state."""
        for a, delta in items:
            self._items.setdefault(a.shape, []).append((a, delta))


def shifted_products(a: Tensor, delta: Tensor, axis: int) -> Tensor:
    """(items, C): Σ over rows of a · (δ shifted by s items), for every s; a and δ shaped as a site's output."""
    return _products(*(_items(values.double(), axis) for values in (a, delta)))


def _products(a: Tensor, delta: Tensor) -> Tensor:
    """The same of items, (items, rows of each, C)."""
    if not a.numel():
        return a.new_zeros(max(len(a), 1), a.shape[-1])
    spectrum = (torch.fft.rfft(a, dim=0) * torch.fft.rfft(delta, dim=0).conj()).sum(1)
    products: Tensor = torch.fft.irfft(spectrum, n=len(a), dim=0)
    return products


def _count(values: Tensor, axis: int) -> int:
    """Items."""
    return 1 if values.ndim == 1 else len(neurons_last(values, axis))


def _items(values: Tensor, axis: int) -> Tensor:
    """(items, rows of each, C)."""
    last = neurons_last(values, axis)
    return (last if last.ndim > 1 else last[None]).unsqueeze(1).flatten(1, -2)
