"""Tox21 as the benchmarks use it: real molecules, the random split of seed 68, our networks and one epoch of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import timing  # first of all, since it sets the number of threads
import torch
from torch import nn

from pbgraph.datasets.load import load
from pbgraph.datasets.tox21 import TOX21
from pbgraph.features.base import Featuriser
from pbgraph.features.graphs import TRIMNET_PAPER
from pbgraph.features.stored import featurised
from pbgraph.graph import GraphBatch, GraphStore
from pbgraph.methods.base import FitJob
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.training import LossFunction, TrainSettings, build_model, graphs_of, make_loss, predict, train_step
from pbgraph.metrics import ROC_AUC, mean_over_tasks
from pbgraph.models.base import Architecture
from pbgraph.splits import RANDOM

__all__ = ["BATCH", "EPOCH", "PART", "Training", "fit_job", "molecules", "stores", "timing"]

BATCH = 128
EPOCH = 49  # batches of 6,258 training molecules
PART = 8  # batches of one turn; an epoch is PART / EPOCH of a turn's seconds
SEED = 68

torch.set_num_threads(1)


@cache
def molecules() -> Any:
    """Accepted rows of Tox21, from the usual places; raises DataError, saying what to do, where it cannot be had."""
    return load(TOX21)


@cache
def stores(featuriser: Featuriser = TRIMNET_PAPER) -> tuple[GraphStore, GraphStore, GraphStore]:
    """Training, validation and test molecules; with the TrimNet paper's features unless others are asked for."""
    store = featurised(featuriser, molecules())
    split = RANDOM.split(molecules(), SEED)
    train, valid, test = (store.select(index) for index in (split.train, split.valid, split.test))
    return train, valid, test


def fit_job(
    architecture: Architecture,
    settings: Any,
    config: Any = None,
    *,
    featuriser: Featuriser = TRIMNET_PAPER,
    device: str = "cpu",
) -> FitJob:
    """What a training method is handed; without a config, the paper's."""
    train, valid, _ = (store.to(device) for store in stores(featuriser))
    return FitJob(
        model=architecture,
        config=architecture.config() if config is None else config,
        settings=settings,
        train=train,
        valid=valid,
        seed=SEED,
        metric=lambda y, scores: mean_over_tasks(ROC_AUC, y, scores),
        device=device,
    )


@dataclass
class Training:
    """Our training of a plain network, as `pbgraph.methods` does it, a few batches at a time."""

    job: FitJob
    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss_fn: LossFunction
    batches: Iterator[GraphBatch]

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        config: Any = None,
        *,
        featuriser: Featuriser = TRIMNET_PAPER,
        device: str = "cpu",
    ) -> Training:
        """At the initial weights."""
        job = fit_job(architecture, TrainSettings(), config, featuriser=featuriser, device=device)
        model = build_model(job)
        optimizer = make_optimizer(job.settings, model)(model.parameters())
        return cls(job, model, optimizer, make_loss(job), endless_batches(graphs_of(job.train)))

    def steps(self, count: int = PART) -> None:
        """Train on the next batches."""
        for batch in islice(self.batches, count):
            train_step(self.model, self.optimizer, self.loss_fn, batch=batch, settings=self.job.settings)

    def evaluate(self) -> None:
        """Logits of all validation and test molecules."""
        for store in stores()[1:]:
            predict(self.model, store.to(self.job.device), self.job.kind)


def endless_batches(store: GraphStore) -> Iterator[GraphBatch]:
    """Shuffled full batches, epoch after epoch, each made when it is asked for."""
    rng = np.random.default_rng(SEED)
    while True:
        order = rng.permutation(len(store))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield store.batch(order[start : start + BATCH])


def repeated(function: Callable[[], object], times: int) -> Callable[[], None]:
    """Call it several times."""

    def call() -> None:
        for _ in range(times):
            function()

    return call
