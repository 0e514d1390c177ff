"""Which training rows an epoch goes over, in which batches, and which of them candidates are only scored by.

Usually all are shuffled anew for every epoch. In dendrite phases with clean errors or held-out rows the batches are the
same in all epochs of a run, so that what is kept of a batch is found again, and a molecule that is held out always is;
only their order changes, and held-out ones come last, when an epoch's candidates are what they will be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pbgraph.errors import PbgraphError
from pbgraph.history import Phase
from pbgraph.methods.base import FitJob
from pbgraph.methods.training import steps_per_epoch
from pbgraph.streams import generator

HELD_OUT = 0.2  # of the batches


@dataclass(frozen=True, eq=False)
class Rows:
    """Of one epoch.

    batches  numbers of the rows of each batch; None: all of them, shuffled
    fitted   so many batches are trained on; those after them are held out
    """

    batches: list[np.ndarray] | None
    fitted: int


def rows_of_epoch(job: FitJob, phase: Phase, epoch: int) -> Rows:
    """Of an epoch of a phase, by settings of growth.

    Raises PbgraphError if there is one batch alone, of which none can be held out.
    """
    settings = job.settings
    steps, held_out = steps_per_epoch(job), settings.score_rows == "held-out"
    if phase == "neuron" or not (held_out or settings.delta == "clean"):
        return Rows(None, steps)
    if held_out and steps < 2:
        raise PbgraphError(
            f"score_rows is 'held-out', but the {len(job.train)} training rows are one batch; lower batch_size"
        )
    fitted = steps - (max(1, round(HELD_OUT * steps)) if held_out else 0)
    dealt = torch.randperm(len(job.train), generator=generator(job.seed, "dendrite/batches")).numpy()
    batches = [np.ascontiguousarray(part) for part in np.array_split(dealt, steps)]
    order = torch.randperm(fitted, generator=generator(job.seed, f"shuffle/{epoch}")).tolist()
    return Rows([*(batches[place] for place in order), *batches[fitted:]], fitted)
