"""Learners of δ as a function of a site's inputs, fitted to some batches and read on others.

`ridge`    linear in the inputs, where these are rows that belong to those of the output
`module`   f(x) = b + Σ_k W_k a_k with a_k = tanh(M_k(x) + Σ_j u_kj a_j), M_k fresh copies of the site's own module:
           what one dendrite of each neuron says, or several if there are few neurons, for every neuron. Inputs that
           are rows as for `ridge` are in units of their deviations over the fitted rows, about their means, if wanted
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import copied, mapped, tensors_in
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.explained import Chance, Tally, explained
from pbgraph.dendrites.kept import KeptCall, answers
from pbgraph.dendrites.outputs import neurons_last, rows_of
from pbgraph.dendrites.ridge import Sums, ridge
from pbgraph.dendrites.sites import Site
from pbgraph.headroom import Explained
from pbgraph.streams import generator, seeded

Calls = Sequence[KeptCall]  # of a site, in one batch
Batches = Mapping[int, Calls]  # by number of the batch
Predict = Callable[[Calls], list[Tensor]]  # shaped as δ
WIDEST = 2048  # inputs of a site that ridge regression is done for
RATE = 1e-2  # of Adam at first, falling to 0 by a cosine
CONSTANT = 1e-7  # deviation of a column, as a share of its mean, up to which it is taken for constant


@dataclass(frozen=True)
class Fitting:
    """How learners are fitted: see `pbgraph.dendrites.headroom`.

    folds         (number of a batch -> its fold, number of folds)
    standardised  whether the modules' inputs are, where they are rows
    """

    folds: tuple[Mapping[int, int], int]
    epochs: int
    hidden: int
    draws: int
    seed: int
    standardised: bool = True

    def inside(self, batches: Batches, fold: int) -> list[int]:
        """Numbers of the batches in this fold."""
        return [number for number in batches if self.folds[0][number] == fold]


def by_ridge(site: Site, batches: Batches, fitting: Fitting) -> Explained | None:
    """What ridge regression explains, or None if the inputs are no rows that belong to those of the output."""
    if not all(_features(site, call) is not None for calls in batches.values() for call in calls):
        return None
    count = fitting.folds[1]
    sums: dict[int, Sums] = {}
    for number, calls in batches.items():
        for call in calls:
            fold, own = fitting.folds[0][number], Sums.of(_inputs(site, call), rows_of(call.delta, site.axis))
            sums[fold] = sums[fold].plus(own) if fold in sums else own
    train, held_out, chance = _tallies(site, fitting, "ridge")
    for fold in range(count):
        fit = ridge([sums[other] for other in sums if other != fold])

        def predict(calls: Calls, fit: Callable[[Tensor], Tensor] = fit) -> list[Tensor]:
            return [_as(call.delta, fit(_inputs(site, call)), site.axis) for call in calls]

        for number, calls in batches.items():
            inside = fitting.folds[0][number] == fold
            _take(site, predict(calls), calls, fit.offset, held_out if inside else train, chance if inside else None)
    return explained(train.share, held_out, chance)


def by_module(site: Site, batches: Batches, fitting: Fitting) -> Explained:
    """What copies of the site's own module explain."""
    train, held_out, chance = _tallies(site, fitting, "module")
    for fold in range(fitting.folds[1]):
        with seeded(fitting.seed, f"headroom/{site.name}/{fold}"):
            fit = _Fit(site, batches, fitting, fold)
            fit.train()
        for number in fit.fitted:
            _take(site, fit.predict(batches[number]), batches[number], fit.mean, train, None)
        fit.restore_best()
        for number in fitting.inside(batches, fold):
            _take(site, fit.predict(batches[number]), batches[number], fit.mean, held_out, chance)
    return explained(train.share, held_out, chance)


def _tallies(site: Site, fitting: Fitting, learner: str) -> tuple[Tally, Tally, Chance]:
    device = next(site.parameters()).device
    train, held_out = (Tally(site.known_channels, device) for _ in range(2))
    stream = generator(fitting.seed, f"headroom/{site.name}/{learner}/chance")
    return train, held_out, Chance(fitting.draws, stream, site.name)


def _take(site: Site, predicted: list[Tensor], calls: Calls, mean: Tensor, tally: Tally, chance: Chance | None) -> None:
    for f, call in zip(predicted, calls, strict=True):
        tally.add(rows_of(f, site.axis), rows_of(call.delta, site.axis), mean)
    if chance is not None:
        chance.add(predicted, [call.delta for call in calls], mean, site.axis)


def _features(site: Site, call: KeptCall) -> list[Tensor] | None:
    """The inputs of a call as rows that belong to those of its output; None if they are no such rows."""
    found = tensors_in((call.inputs, call.named))
    rows = neurons_last(call.delta, site.axis).shape[:-1]
    if site.axis != -1 or call.origin is not None or not found:
        return None
    if any(not x.is_floating_point() or x.is_nested or not x.isfinite().all() or x.shape[:-1] != rows for x in found):
        return None
    return found if sum(x.shape[-1] for x in found) <= WIDEST else None


def _inputs(site: Site, call: KeptCall) -> Tensor:
    """(P, D)."""
    return torch.cat([x.reshape(-1, x.shape[-1]) for x in _features(site, call) or ()], 1)


def _as(delta: Tensor, rows: Tensor, axis: int) -> Tensor:
    """(P, C) shaped as δ."""
    return rows.view(neurons_last(delta, axis).shape).movedim(-1, axis)


class _Learner(nn.Module):
    """The equation of `module`; W and b start at 0, so that f is the mean of the scaled δ at first."""

    def __init__(self, site: Site, hidden: int) -> None:
        super().__init__()
        channels = site.known_channels
        self.members = nn.ModuleList(site.new_dendrite("tanh") for _ in range(max(1, math.ceil(hidden / channels))))
        like = next(site.parameters())
        kind = torch.promote_types(like.dtype, torch.float32)
        self.map = nn.Linear(channels * len(self.members), channels, device=like.device, dtype=kind)
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, site: Site, calls: Calls) -> list[Tensor]:
        """f in every call, with neurons last."""
        own = [answers(site, cast(Dendrite, member), calls) for member in self.members]
        joined = (torch.cat([neurons_last(a, site.axis) for a in each], -1) for each in zip(*own, strict=True))
        return [self.map(a.to(self.map.weight.dtype)) for a in joined]


@dataclass(frozen=True, eq=False)
class _Standardised:
    """(x − mean) / deviation for every input x of a call, whose moments these are: (D,) float64 of each column."""

    moments: Sequence[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, site: Site, batches: Batches, numbers: Sequence[int]) -> _Standardised | None:
        """Over these batches; None if inputs of any batch are no rows that belong to those of the output."""
        every = [_features(site, call) for calls in batches.values() for call in calls]
        if len({None if found is None else tuple(x.shape[-1] for x in found) for found in every}) != 1 or not every[0]:
            return None
        fitted = [_features(site, call) or () for number in numbers for call in batches[number]]
        columns = (torch.cat([x.reshape(-1, x.shape[-1]).double() for x in own]) for own in zip(*fitted, strict=True))
        return cls([(x.mean(0), x.std(0, correction=0)) for x in columns])

    def __call__(self, call: KeptCall) -> KeptCall:
        """The call with such inputs; a column that is constant, as single precision goes, is about 0."""
        left = iter(self.moments)

        def scaled(x: Tensor) -> Tensor:
            mean, deviation = next(left)
            varies = deviation > CONSTANT * mean.abs()
            return ((x.double() - mean) / torch.where(varies, deviation, 1.0)).to(x.dtype)

        inputs, named = mapped((call.inputs, call.named), scaled)
        return replace(call, inputs=inputs, named=named)


class _Fit:
    """One learner, fitted to the batches outside of a fold but for those of the next one, which choose the epoch.

    fitted  numbers of the batches that it is fitted to;  mean, deviation  (C,) float64, of δ in these
    """

    def __init__(self, site: Site, batches: Batches, fitting: Fitting, fold: int) -> None:
        self._site, self._batches, self._epochs = site, batches, fitting.epochs
        choosing = (fold + 1) % fitting.folds[1]
        self._choosing = fitting.inside(batches, choosing)
        self.fitted = [n for n in batches if fitting.folds[0][n] not in (fold, choosing)]
        self.mean, self.deviation = self._moments()
        self._inputs = _Standardised.of(site, batches, self.fitted) if fitting.standardised else None
        self._learner = _Learner(site, fitting.hidden)
        self._best, self._best_error = copied(dict(self._learner.state_dict())), self._error()

    def _moments(self) -> tuple[Tensor, Tensor]:
        sums = torch.zeros(
            2, self._site.known_channels, dtype=torch.float64, device=next(self._site.parameters()).device
        )
        rows = 0
        for number in self.fitted:
            for call in self._batches[number]:
                delta = rows_of(call.delta, self._site.axis).double()
                sums += torch.stack([delta.sum(0), delta.square().sum(0)])
                rows += len(delta)
        mean, square = sums / max(rows, 1)
        return mean, (square - mean**2).clamp(min=0).sqrt()

    def train(self) -> None:
        """All epochs; the weights with the smallest error on the choosing batches are kept."""
        optimizer = torch.optim.Adam(self._learner.parameters(), lr=RATE, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, self._epochs * len(self.fitted)))
        for _ in range(self._epochs):
            self._learner.train()
            for place in torch.randperm(len(self.fitted)).tolist():
                optimizer.zero_grad(set_to_none=True)
                self._loss(self._batches[self.fitted[place]]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if (error := self._error()) < self._best_error:
                self._best, self._best_error = copied(dict(self._learner.state_dict())), error

    def restore_best(self) -> None:
        """Take the weights of the best epoch."""
        self._learner.load_state_dict(self._best)

    @torch.no_grad()
    def predict(self, calls: Calls) -> list[Tensor]:
        """δ as the learner has it, shaped as δ."""
        self._learner.eval()
        found = self._answers(calls)
        return [(self.mean + self.deviation * f.double()).movedim(-1, self._site.axis) for f in found]

    def _answers(self, calls: Calls) -> list[Tensor]:
        """f in every call."""
        own = calls if self._inputs is None else [self._inputs(call) for call in calls]
        found: list[Tensor] = self._learner(self._site, own)
        return found

    def _loss(self, calls: Calls) -> Tensor:
        """Mean squared error of the scaled δ."""
        errors = [self._learner_errors(f, call) for f, call in zip(self._answers(calls), calls, strict=True)]
        return torch.cat(errors).square().mean()

    def _learner_errors(self, f: Tensor, call: KeptCall) -> Tensor:
        """(P, C)."""
        delta = rows_of(call.delta, self._site.axis)
        scaled = (delta.double() - self.mean) / torch.where(self.deviation > 0, self.deviation, 1.0)
        return f.reshape(-1, f.shape[-1]) - scaled.to(f.dtype)

    @torch.no_grad()
    def _error(self) -> float:
        """Sum of squared errors of the scaled δ over the choosing batches."""
        self._learner.eval()
        error = 0.0
        for number in self._choosing:
            calls = self._batches[number]
            for f, call in zip(self._answers(calls), calls, strict=True):
                error += float(self._learner_errors(f, call).double().square().sum())
        if not math.isfinite(error):
            name, calls = self._site.name, [call for number in self._choosing for call in self._batches[number]]
            given = tensors_in([(call.inputs, call.named) for call in calls])
            if not all(bool(x.isfinite().all()) for x in given if x.is_floating_point()):
                raise TrainingError(f"site {name!r} is called with numbers that are not finite: look at the batches")
            raise TrainingError(f"a learner of the errors at site {name!r} became NaN or infinite")
        return error
