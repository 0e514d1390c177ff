"""Controls: what a perforated run gains must not be had by cheaper means."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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


def cycle_lengths(history: Sequence[Epoch]) -> list[int]:
    """Epochs of each cycle of a perforated run; a cycle is a dendrite phase and the neuron phase after it.

    >>> line = dict(dendrites=0, train_loss=None, valid=None, learning_rate=0.0)
    >>> phases = ["neuron", "neuron", "dendrite", "neuron", "neuron"]
    >>> cycle_lengths([Epoch(epoch=e, phase=p, **line) for e, p in enumerate(phases)])
    [2, 3]
    """
    phases = [line.phase for line in history]
    starts = [e for e in range(1, len(phases)) if phases[e] == "dendrite" and phases[e - 1] == "neuron"]
    bounds = [0, *starts, len(phases)]
    return [end - start for start, end in pairwise(bounds)]


def fit_continued(job: FitJob) -> Fitted:
    """Train the plain model for as many epochs as the paired perforated run took, restarting where it restarted.

    Dendrite phases count, and the schedule spans each cycle as it was: so this network has more updates and more looks
    at validation rows than the one with dendrites, on longer schedules after the first.
    """
    assert job.paired is not None
    return train_in_cycles(job, lengths=cycle_lengths(job.paired.history), patience=None, restart=job.settings.restart)


CONTINUED = Method(
    name=roles.CONTINUED,
    version=1,
    settings=CycleSettings,
    fit=fit_continued,
    refuses=refuses_estimators,
    source="control: total epochs, dendrite phases counted, and learning-rate restarts of the paired perforated run",
    control_of=roles.PERFORATED,
    space=CYCLE_SPACE,
)
