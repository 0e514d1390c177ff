"""When to switch: pure bookkeeping of scores and epochs, without a network.

Source: Brenner & Itti, arXiv:2501.18018 (switching by history); Fahlman & Lebiere, NIPS 1990 (patience).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.settings import GrowthSettings

Phase = Literal["neuron", "dendrite"]
SPREAD_EPOCHS = 10


@dataclass(frozen=True)
class Status:
    """What an epoch brought.

    phase        of the next epoch
    dendrites    accepted dendrites per site of the network as it now is
    best_score   best validation score of the whole run so far
    improved     whether this epoch set it
    switched     None, or why the phase changed: "grow" after a new best score, "drop" after none, "accept", "finish"
    site_scores  after an epoch of a dendrite phase: site -> mean |corr| of its best candidate in that epoch
    """

    phase: Phase
    dendrites: int
    best_score: float | None
    improved: bool
    switched: str | None
    finished: bool
    site_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass
class EarlyStopping:
    """The length of a phase: it is over after `patience` epochs in a row without improvement, or `longest` in all.

    patience  None: only the length counts
    epochs  of the phase so far;  stale  those since the last improvement
    """

    patience: int | None
    longest: int | None = None
    epochs: int = 0
    stale: int = 0

    def after_epoch(self, improved: bool) -> bool:
        """Count one epoch; returns whether the phase is over.

        >>> stopping = EarlyStopping(patience=2)
        >>> [stopping.after_epoch(improved) for improved in (True, False, True, False, False)]
        [False, False, False, False, True]
        """
        self.epochs += 1
        self.stale = 0 if improved else self.stale + 1
        return self.exhausted or self.epochs == self.longest

    @property
    def exhausted(self) -> bool:
        """Whether patience is at an end."""
        return self.patience is not None and self.stale >= self.patience


def early_stopping(settings: GrowthSettings, phase: Phase, *, grown: bool) -> EarlyStopping:
    """For a phase that begins; grown: whether there are dendrites."""
    fixed = settings.switching == "fixed"
    if phase == "dendrite":
        return EarlyStopping(None if fixed else settings.dendrite_patience, settings.dendrite_max_epochs)
    longest = settings.cycle_epochs if grown else settings.first_epochs
    return EarlyStopping(None if fixed else settings.patience, longest)


@dataclass
class BestScore:
    """The whole run: the best validation score, and how often dendrites failed to beat it.

    mode, min_delta         see `GrowthSettings`
    best_score, best_epoch  of the run so far; None and -1 before the first epoch; an equal score is no improvement
    worst_score             of the run so far
    gained                  whether the network of this cycle set a best score
    tries                   failed tries in a row
    varied                  whether any score was another than the best before it
    margin                  by which new dendrites have to beat the best score to be a gain
    times                   so many times the spread of `recent` is the margin, since no spread had been known when
                            they were accepted; 0 where one had
    recent                  the last scores since the spread was taken, `SPREAD_EPOCHS` of them at the most
    known                   whether it ever was
    """

    mode: Literal["max", "min"] = "max"
    min_delta: float = 0.0
    best_score: float | None = None
    worst_score: float | None = None
    best_epoch: int = -1
    gained: bool = False
    tries: int = 0
    varied: bool = False
    margin: float = 0.0
    times: float = 0.0
    recent: list[float] = field(default_factory=list)
    known: bool = False

    def update(self, score: float, epoch: int) -> bool:
        """Take in the score of a neuron-phase epoch; returns whether it is the best so far.

        >>> best = BestScore(mode="min", min_delta=0.1)
        >>> [best.update(score, epoch) for epoch, score in enumerate((1.0, 0.95, 0.8))], best.best_epoch
        ([True, False, True], 2)
        """
        sign = 1 if self.mode == "max" else -1
        self.recent = [*self.recent, score][-SPREAD_EPOCHS:]
        self.varied |= self.best_score is not None and score != self.best_score
        if self.times and not self.gained:
            self.margin = self.times * spread_of(self.recent)
        least = self.min_delta if self.gained else max(self.min_delta, self.margin)
        told = self.gained or not self.times or len(self.recent) > 1
        improved = told and (self.best_score is None or sign * score > sign * self.best_score + least)
        if improved:
            self.best_score, self.best_epoch, self.gained = score, epoch, True
        if self.worst_score is None or sign * score < sign * self.worst_score:
            self.worst_score = score
        return improved

    def begin_cycle(self, times: float) -> None:
        """New dendrites have been accepted: they have to gain so many times the spread of the scores before them.

        If there is one score alone, it is the last spread that is known; if none is, that of the scores of the cycle,
        as these come in: until there are two of them, none is a gain.

        >>> best = BestScore()
        >>> best.update(1.0, 0), best.end_cycle()
        (True, True)
        >>> best.begin_cycle(2.0)
        >>> [best.update(score, 1) for score in (1.2, 1.3, 1.4)]
        [False, True, True]
        """
        if len(self.recent) > 1:
            self.margin, self.times, self.known = times * spread_of(self.recent), 0.0, True
            self.recent = []
        elif not self.known:
            self.times, self.recent = times, []

    def end_cycle(self) -> bool:
        """Count a try that is over; returns whether it gained."""
        gained, self.gained = self.gained, False
        self.tries = 0 if gained else self.tries + 1
        return gained


def spread_of(scores: Sequence[float]) -> float:
    """By how much a score is off by chance, from how much it changes from epoch to epoch; 0 of a single one.

    √(½ mean (s_e+1 − s_e)²), the standard deviation of scores about a trend that is slow beside it.
    Source: von Neumann 1941, doi:10.1214/aoms/1177731677.

    >>> spread_of([0.0, 0.0, 2.0, 0.0])  # changes of 0, 2 and -2
    1.1547005383792515
    """
    changes = [(later - earlier) ** 2 for earlier, later in pairwise(scores)]
    return math.sqrt(sum(changes) / len(changes) / 2) if changes else 0.0


def look_at_scores(best: BestScore, last: float, epochs: int) -> None:
    """When the first neuron phase runs out of patience: can anything be chosen by its scores?

    Warns if all are the same, which an easy task may have as well, or if the first was the best and the last the worst.
    """
    if best.tries:
        return
    if not best.varied:
        warnings.warn(
            f"the validation score was {best.best_score} in each of the {epochs} epochs of the first neuron phase, "
            "so nothing can be chosen by it: check that it is computed from growth.model, that the learning rate is "
            "not 0, and that the score is fine enough to change",
            stacklevel=4,
        )
    elif best.best_epoch == 0 and last == best.worst_score:
        other = "min" if best.mode == "max" else "max"
        warnings.warn(
            f"the score was best after the first epoch and worst after the last, {epochs} epochs later "
            f'({best.best_score:.4g}, {last:.4g}), and growth was told mode="{best.mode}": if it is a '
            f'{"loss" if other == "min" else "score of which more is better"}, give mode="{other}"',
            stacklevel=4,
        )


def plain_score(score: Any) -> float:
    """A score as a number of Python's; raises TrainingError for what is no single number.

    >>> plain_score(torch.tensor([0.5]))
    0.5
    """
    try:
        if isinstance(score, str):
            raise TypeError
        return float(score.detach() if isinstance(score, torch.Tensor) else score)
    except (TypeError, ValueError, RuntimeError):
        shown = f"a tensor of shape {tuple(score.shape)}" if isinstance(score, torch.Tensor) else repr(score)
        raise TrainingError(f"the validation score is {shown}; give one number") from None


def improves(score: float, mark: float, threshold: float) -> bool:
    """Whether a site's score beats the mark by the threshold, relative to the mark.

    >>> improves(0.125, 0.1, 0.25), improves(0.126, 0.1, 0.25), improves(0.01, 0.0, 0.25), improves(0.0, 0.0, 0.25)
    (False, True, True, False)
    """
    return score > mark * (1 + threshold)
