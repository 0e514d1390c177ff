"""Dendrites on TrimNet and GIN: an epoch of each phase against an epoch of the plain network, one thread.

    python benchmarks/dendrites.py [--repeats 7]

Dendrite phases with one and with four candidates per site, and neuron phases with one and with two accepted dendrites.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from workload import EPOCH, PART, Training, endless_batches, fit_job, stores, timing  # isort: skip
from timing import Result, in_turn, row_of

from pbgraph.dendrites import Growth, GrowthSettings, perforate
from pbgraph.graph import GraphBatch
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.training import TrainSettings, build_model, graphs_of, make_loss
from pbgraph.models.base import Architecture, sites_in
from pbgraph.models.gin import GIN
from pbgraph.models.trimnet import TRIMNET


class Perforated:
    """Our training of a perforated network, a few batches at a time."""

    def __init__(self, architecture: Architecture, pool: int, config: Any = None, *, device: str = "cpu") -> None:
        job = fit_job(architecture, TrainSettings(), config, device=device)
        network = build_model(job)
        model = perforate(network, sites=sites_in(architecture, network))
        settings = GrowthSettings(patience=1, dendrite_patience=1, priming_batches=1, threshold=1e9, pool=pool)
        self.growth = Growth(model, make_optimizer(job.settings, model), settings=settings)
        self.loss_fn = make_loss(job)
        self.batches: Iterator[GraphBatch] = endless_batches(graphs_of(job.train))

    def steps(self, count: int = PART) -> None:
        """Train on the next batches."""
        for batch in islice(self.batches, count):
            self.growth.step(self.loss_fn, batch)

    def grown(self, phase: str, dendrites: int) -> Perforated:
        """Itself, a few steps into this phase with so many accepted dendrites.

        Epochs have two steps; the score rises once in each neuron phase, so that its dendrites count as a gain.
        """
        while (self.growth.phase, self.growth.dendrites) != (phase, dendrites):
            self.steps(2)
            self.growth.epoch_end(float(self.growth.dendrites))
        self.steps(2)
        return self


def measure(repeats: int) -> Sequence[Result]:
    stores()
    return [row for architecture in (TRIMNET, GIN) for row in _rows(architecture, repeats)]


def _rows(architecture: Architecture, repeats: int) -> Sequence[Result]:
    times = in_turn(
        {
            "plain": Training.of(architecture).steps,
            "pool of 1": Perforated(architecture, 1).grown("dendrite", 0).steps,
            "pool of 4": Perforated(architecture, 4).grown("dendrite", 0).steps,
            "one dendrite": Perforated(architecture, 1).grown("neuron", 1).steps,
            "two dendrites": Perforated(architecture, 1).grown("neuron", 2).steps,
            "copy": Training.of(architecture).steps,
        },
        repeats,
    )
    limits = {
        "dendrite phase, pool of 1": 1.4,
        "dendrite phase, pool of 4": 2.0,
        "neuron phase, one dendrite": 1.35,
        "neuron phase, two dendrites": 1.7,
    }
    return [
        row_of(
            f"{architecture.name}: {what} / plain epoch",
            times,
            what.split(", ")[1],
            "plain",
            target=target,
            scale=EPOCH / PART,
        )
        for what, target in limits.items()
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
