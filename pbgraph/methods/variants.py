"""Variants of the perforated method, each without one of its ideas: which of them does a gain come from?

`gd-dendrites`      the same dendrites without a dendrite phase: from their random initial weights they are trained by
                    ordinary gradients in neuron phases, and errors flow through them. Does the learning rule matter?
`random-dendrites`  dendrites keep their random initial weights, and only w is learnt; their dendrite phase is one epoch
                    that takes statistics of normalisation layers and scores. Does it matter that dendrites learn?
`unperforated`      dendrites learn as in a perforated run, but errors flow through them. Does perforation matter?

All have the settings of the perforated run that they are paired with, and its number of dendrites and tries at most;
the first two have fewer epochs, by those of its dendrite phases. Of a pool of random candidates the best is chosen.
Dendrites that never learn are not judged by held-out rows (`score_rows`), since they would all be refused.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from pbgraph.methods import roles
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.perforated import GROWTH_SPACE, PerforatedSettings, fit_growing
from pbgraph.methods.training import refuses_estimators
from pbgraph.spaces import Space

OF_PHASES = {"dendrite_epochs", "objective", "delta", "score_rows"}  # what only learning in dendrite phases reads
OF_LEARNING = {*OF_PHASES, "dendrites_trainable"}  # and whether dendrites learn, which a method's own idea says


def _without(names: set[str]) -> Space:
    return {name: range_ for name, range_ in GROWTH_SPACE.items() if name not in names}


def fit_gd_dendrites(job: FitJob) -> Fitted:
    """Grow as a perforated run does, but let ordinary gradients train the dendrites."""
    settings = replace(
        job.settings, dendrite_epochs=0, dendrites_trainable=True, initial_w=0.0, score_rows="all", delta="training"
    )
    return fit_growing(replace(job, settings=settings), errors="through")


def fit_random_dendrites(job: FitJob) -> Fitted:
    """Grow as a perforated run does, but never train a dendrite."""
    settings = replace(
        job.settings, dendrite_epochs=1, priming_batches=sys.maxsize, score_rows="all", dendrites_trainable=False
    )
    return fit_growing(replace(job, settings=settings))


def fit_unperforated(job: FitJob) -> Fitted:
    """Grow as a perforated run does, but let errors flow through dendrites."""
    return fit_growing(job, errors="through")


GD_DENDRITES = Method(
    name="gd-dendrites",
    version=1,
    settings=PerforatedSettings,
    fit=fit_gd_dendrites,
    refuses=refuses_estimators,
    source="control: dendrites trained by gradient descent",
    control_of=roles.PERFORATED,
    reads_pair=False,
    space=_without(OF_LEARNING),
)

RANDOM_DENDRITES = Method(
    name="random-dendrites",
    version=2,
    settings=PerforatedSettings,
    fit=fit_random_dendrites,
    refuses=refuses_estimators,
    source="control: dendrites frozen at their random initial weights",
    control_of=roles.PERFORATED,
    reads_pair=False,
    space=_without(OF_LEARNING),
)

UNPERFORATED = Method(
    name="unperforated",
    version=2,
    settings=PerforatedSettings,
    fit=fit_unperforated,
    refuses=refuses_estimators,
    source="control: errors flow through dendrites",
    control_of=roles.PERFORATED,
    reads_pair=False,
    space=GROWTH_SPACE,
)
