"""Where dendrites may grow: the text of a setting, and what it means for a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pbgraph.dendrites import headroom
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.methods.base import FitJob
from pbgraph.methods.training import graphs_of, make_loss, steps_per_epoch
from pbgraph.streams import generator

ALL, HEADROOM = "all", "headroom"
FOLDS, EPOCHS = 3, 10  # of headroom


@dataclass(frozen=True)
class Sites:
    """What a setting says.

    patterns   names or patterns of sub-modules; none: those that the model names
    threshold  share of headroom that a site has to have more of; None: it needs to have none

    >>> Sites.of("blocks.*.conv+logits"), Sites.of("headroom:0.01")
    (Sites(patterns=('blocks.*.conv', 'logits'), threshold=None), Sites(patterns=(), threshold=0.01))
    """

    patterns: tuple[str, ...] = ()
    threshold: float | None = None

    @classmethod
    def of(cls, text: str) -> Sites:
        """Raises UsageError for a text that says nothing of that kind."""
        word, colon, number = text.partition(":")
        if text == ALL:
            return cls()
        if word == HEADROOM:
            return cls(threshold=_number(text, number) if colon else 0.0)
        patterns = tuple(text.split("+"))
        if not all(patterns) or ":" in text:
            raise _wrong(text)
        return cls(patterns=patterns)


def _number(text: str, number: str) -> float:
    try:
        threshold = float(number)
    except ValueError:
        raise _wrong(text) from None
    if not (math.isfinite(threshold) and 0 <= threshold < 1):
        raise _wrong(text)
    return threshold


def _wrong(text: str) -> UsageError:
    return UsageError(
        f"setting sites is {text!r}; it must be 'all', names or patterns of the network's parts joined by +, as in "
        "'blocks.*.conv+logits', 'headroom', or 'headroom:SHARE' with a share in [0, 1)"
    )


def sites_with_headroom(job: FitJob, threshold: float, network: nn.Module) -> list[str]:
    """The sites of a network with more headroom than the threshold, and than chance gives, over the training rows.

    Raises PbgraphError if these are too few for batches to be divided among the folds.
    """
    train, count = graphs_of(job.train), max(steps_per_epoch(job), 3 * FOLDS)
    if len(train) < count:
        raise PbgraphError(f"sites is 'headroom', and {len(train)} training rows are too few to tell; set it to 'all'")
    dealt = torch.randperm(len(train), generator=generator(job.seed, "headroom/molecules")).numpy()
    batches = (train.batch(np.ascontiguousarray(rows)) for rows in np.array_split(dealt, count))
    # "raw": what growth was searched with, as results/tuning has it
    found = headroom(network, batches, make_loss(job), folds=FOLDS, epochs=EPOCHS, seed=job.seed, inputs="raw")
    return found.above_chance(threshold)
