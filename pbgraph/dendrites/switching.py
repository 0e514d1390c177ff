"""When to switch: pure bookkeeping of scores and epochs, without a network.

Source: Brenner & Itti, arXiv:2501.18018 (switching by history); Fahlman & Lebiere, NIPS 1990 (patience).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pbgraph.dendrites.settings import GrowthSettings

Phase = Literal["neuron", "dendrite"]


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
class Clock:
    """The length of a phase: it is over after `patience` epochs in a row without improvement, or `longest` in all.

    patience  None: only the length counts
    epochs  of the phase so far;  stale  those since the last improvement
    """

    patience: int | None
    longest: int | None = None
    epochs: int = 0
    stale: int = 0

    def tick(self, improved: bool) -> bool:
        """Count one epoch; returns whether the phase is over.

        >>> clock = Clock(patience=2)
        >>> [clock.tick(improved) for improved in (True, False, True, False, False)]
        [False, False, False, False, True]
        """
        self.epochs += 1
        self.stale = 0 if improved else self.stale + 1
        return self.exhausted or self.epochs == self.longest

    @property
    def exhausted(self) -> bool:
        """Whether patience is at an end."""
        return self.patience is not None and self.stale >= self.patience


def new_clock(settings: GrowthSettings, phase: Phase, *, grown: bool) -> Clock:
    """For a phase that begins; grown: whether there are dendrites."""
    fixed = settings.switching == "fixed"
    if phase == "dendrite":
        return Clock(None if fixed else settings.dendrite_patience, settings.dendrite_max_epochs)
    return Clock(None if fixed else settings.patience, settings.cycle_epochs if grown else settings.max_epochs)


@dataclass
class Course:
    """The whole run: the best validation score, and how often dendrites failed to beat it.

    best_score, best_epoch  of the run so far; None and -1 before the first epoch; an equal score is no improvement
    worst_score             of the run so far
    gained                  whether the network of this cycle set a best score
    tries                   failed tries in a row
    """

    best_score: float | None = None
    worst_score: float | None = None
    best_epoch: int = -1
    gained: bool = False
    tries: int = 0

    def offer(self, score: float, epoch: int) -> bool:
        """Take in the score of a neuron-phase epoch; returns whether it is the best so far."""
        improved = self.best_score is None or score > self.best_score
        if improved:
            self.best_score, self.best_epoch, self.gained = score, epoch, True
        self.worst_score = score if self.worst_score is None else min(score, self.worst_score)
        return improved

    def end_cycle(self) -> bool:
        """Count a try that is over; returns whether it gained."""
        gained, self.gained = self.gained, False
        self.tries = 0 if gained else self.tries + 1
        return gained


def improves(score: float, mark: float, threshold: float) -> bool:
    """Whether a site's score beats the mark by the threshold, relative to the mark.

    >>> improves(0.125, 0.1, 0.25), improves(0.126, 0.1, 0.25), improves(0.01, 0.0, 0.25), improves(0.0, 0.0, 0.25)
    (False, True, True, False)
    """
    return score > mark * (1 + threshold)
