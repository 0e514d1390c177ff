"""What training a network leaves behind: a line for every epoch, and how the reported one was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["neuron", "dendrite"]  # which weights are trained


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


@dataclass(frozen=True)
class Selection:
    """How the reported network was chosen, and what the selection metric was on validation rows."""

    rule: str
    epoch: int
    score: float | None


@dataclass(frozen=True)
class Report:
    """Where a run is: sent at most a few times per second to whoever shows it.

    phase      of training a network; or "fit", of a model that fits itself; or that the run is being done elsewhere
    fraction   share of the run's largest possible length that is done, in [0, 1]
    """

    phase: Phase | Literal["fit", "waiting for another process"]
    epoch: int
    best: float | None
    dendrites: int
    fraction: float
