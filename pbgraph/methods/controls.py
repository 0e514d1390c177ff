"""Controls: what a perforated run gains must not be had by cheaper means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from pbgraph.errors import UsageError
from pbgraph.fields import LATER
from pbgraph.history import Epoch
from pbgraph.methods import roles
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.perforated import GROWTH_SPACE
from pbgraph.methods.plain import CycleSettings, train_in_cycles
from pbgraph.methods.training import TRAIN_SPACE, refuses_estimators
from pbgraph.spaces import Space

SIZES: Space = {name: GROWTH_SPACE[name] for name in ("max_dendrites",)}
LENGTHS: Space = {name: GROWTH_SPACE[name] for name in ("cycle_epochs", "dendrite_epochs", "restart")}
# what a control has of the paired run is searched with it: how large that may grow, and how long it trains
CYCLE_SPACE: Space = {**TRAIN_SPACE, **SIZES, **LENGTHS}


@dataclass(frozen=True, kw_only=True)
class MatchedSettings(CycleSettings):
    """Settings of training that is as long as that of a perforated run.

    counted  its epochs: "all", by which the network has more updates and more looks at validation rows than the one
             with dendrites, on longer schedules after the first; or "neuron", those of neuron phases, by which it has
             the same, schedules too
    """

    counted: Literal["all", "neuron"] = field(default="all", metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counted not in ("all", "neuron"):
            raise UsageError(f"setting counted is {self.counted!r}; it must be 'all' or 'neuron'")


def cycle_lengths(history: Sequence[Epoch], counted: Literal["all", "neuron"] = "all") -> list[int]:
    """Epochs of each cycle of a perforated run; a cycle is a dendrite phase and the neuron phase after it.

    >>> line = dict(dendrites=0, train_loss=None, valid=None, learning_rate=0.0)
    >>> phases = ["neuron", "neuron", "dendrite", "neuron", "neuron"]
    >>> history = [Epoch(epoch=e, phase=p, **line) for e, p in enumerate(phases)]
    >>> cycle_lengths(history), cycle_lengths(history, "neuron")
    ([2, 3], [2, 2])
    """
    phases = [line.phase for line in history]
    starts = [e for e in range(1, len(phases)) if phases[e] == "dendrite" and phases[e - 1] == "neuron"]
    cycles = [phases[start:end] for start, end in pairwise([0, *starts, len(phases)])]
    return [len(cycle) if counted == "all" else cycle.count("neuron") for cycle in cycles]


def train_as_long(job: FitJob) -> Fitted:
    """Train a plain model as long as the paired perforated run was, restarting where it restarted.

    The schedule spans each cycle as it is counted, see `MatchedSettings`; of neuron phases alone, what it spanned in
    the paired run, of which patience may have ended a phase before.
    """
    assert job.paired is not None
    settings: MatchedSettings = job.settings
    lengths = cycle_lengths(job.paired.history, settings.counted)
    span = job.paired.settings.get("cycle_epochs") if settings.counted == "neuron" else None
    return train_in_cycles(job, lengths=lengths, patience=None, restart=settings.restart, span=span)


CONTINUED = Method(
    name=roles.CONTINUED,
    version=1,
    settings=MatchedSettings,
    fit=train_as_long,
    refuses=refuses_estimators,
    source="control: total epochs, dendrite phases counted, and learning-rate restarts of the paired perforated run",
    control_of=roles.PERFORATED,
    space=CYCLE_SPACE,
)
