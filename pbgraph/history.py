"""What training a network leaves behind: a line for every epoch, and how the reported one was chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Phase = Literal["neuron", "dendrite"]  # which weights are trained
TRAINING: tuple[str, ...] = (*get_args(Phase), "fit")  # phases in which a model is trained
DIGITS = 5  # significant ones of the numbers in a record's history


@dataclass(frozen=True)
class Epoch:
    """One line of a run's history.

    train_loss  mean over batches; valid the selection metric, in its own unit and direction
    dendrites   accepted dendrites per site in the network that was scored
    score       mean normalised candidate score over sites, in the dendrite phase
    """

    epoch: int
    phase: Phase
    dendrites: int
    train_loss: float | None
    valid: float | None
    learning_rate: float
    score: float | None = None

    @property
    def rounded(self) -> Epoch:
        """As records keep it: what a curve shows, and no more."""
        return replace(
            self,
            train_loss=rounded(self.train_loss),
            valid=rounded(self.valid),
            learning_rate=rounded(self.learning_rate) or 0.0,
            score=rounded(self.score),
        )


def rounded(value: float | None) -> float | None:
    """A number of a history as records keep it.

    >>> rounded(0.8466199663)
    0.84662
    """
    return None if value is None else float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True)
class Selection:
    """How the reported network was chosen, and what the selection metric was on validation rows."""

    rule: str
    epoch: int
    score: float | None


@dataclass(frozen=True)
class Report:
    """Where a run is: sent at most a few times per second to whoever shows it.

    phase      of training a network; or "fit", of a model that fits itself; or what is done before training, such as
               "featurising"; or that the run is being done elsewhere
    epoch      from 0
    fraction   share of the run's largest possible length that is done, in [0, 1]
    epochs     the most that the run can take, if that is known
    share      of what is done before training: how much of it is done, in [0, 1], if that is known
    """

    phase: str
    epoch: int = 0
    best: float | None = None
    dendrites: int = 0
    fraction: float = 0.0
    epochs: int | None = None
    share: float | None = None

    @property
    def trains(self) -> bool:
        """Whether the run is under way: `fraction` says how far it is."""
        return self.phase in TRAINING
