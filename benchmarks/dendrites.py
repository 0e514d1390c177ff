"""Dendrites on TrimNet and GIN: an epoch of each phase against an epoch of the plain network, one thread.

    python benchmarks/dendrites.py [--repeats 7]

Dendrite phases with one and with four candidates per site, and neuron phases with one and with two accepted dendrites.
With delta="clean" what sites are called with is kept of each batch: of a phase of 12 epochs the first passes through
the network, the others through candidates alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

from workload import EPOCH, PART, Training, endless_batches, fit_job, stores, timing  # isort: skip
from timing import Result, Row, in_turn, ratio, row_of

from pbgraph.dendrites import Growth, GrowthSettings, perforate
from pbgraph.graph import GraphBatch
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.training import TrainSettings, build_model, graphs_of, make_loss
from pbgraph.models.base import Architecture, sites_in
from pbgraph.models.gin import GIN
from pbgraph.models.trimnet import TRIMNET

CLEAN_EPOCHS = 12
POOLS = (1, 4)
CLEAN_LIMITS = {("trimnet", 1): 1.1, ("trimnet", 4): 3.9, ("gin", 1): 1.2, ("gin", 4): 4.4}


class Perforated:
    """Our training of a perforated network, a few batches at a time."""

    def __init__(
        self, architecture: Architecture, pool: int, config: Any = None, *, device: str = "cpu", delta: Any = "training"
    ) -> None:
        job = fit_job(architecture, TrainSettings(), config, device=device)
        network = build_model(job)
        model = perforate(network, sites=sites_in(architecture, network))
        settings = GrowthSettings(
            patience=1, dendrite_patience=1, priming_batches=1, threshold=1e9, pool=pool, delta=delta
        )
        self.growth = Growth(model, make_optimizer(job.settings, model), settings=settings)
        self.loss_fn = make_loss(job)
        self.store = graphs_of(job.train)
        self.batches: Iterator[GraphBatch] = endless_batches(self.store)

    def steps(self, count: int = PART) -> None:
        """Train on the next batches."""
        for batch in islice(self.batches, count):
            self.growth.step(self.loss_fn, batch)

    def epoch(self, *, first: bool) -> None:
        """Train on the same few batches as ever; first: on nothing that was kept of them."""
        phase = self.growth._dendrite_phase
        assert phase is not None
        assert phase.store is not None
        if first:
            phase.store.close()
        for batch in islice(endless_batches(self.store), PART):
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
            **_clean_epochs(architecture),
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
    ] + [_clean(architecture, times, pool) for pool in POOLS]


def _clean_epochs(architecture: Architecture) -> dict[str, Callable[[], object]]:
    """An epoch of each kind for every size of pool."""
    variants: dict[str, Callable[[], object]] = {}
    for pool in POOLS:
        training = Perforated(architecture, pool, delta="clean").grown("dendrite", 0)
        for name, first in (("first", True), ("later", False)):
            variants[f"{name}, pool of {pool}"] = partial(training.epoch, first=first)
    return variants


def _clean(architecture: Architecture, times: Mapping[str, Sequence[float]], pool: int) -> Row:
    """The row of a whole phase: its first epoch and all others."""
    first, later, plain = (times[name] for name in (f"first, pool of {pool}", f"later, pool of {pool}", "plain"))
    mean = [(a + (CLEAN_EPOCHS - 1) * b) / CLEAN_EPOCHS for a, b in zip(first, later, strict=True)]
    return Row(
        f"{architecture.name}: clean dendrite phase of {CLEAN_EPOCHS} epochs, pool of {pool} / plain epochs",
        ratio({"ours": mean, "plain": plain}, "ours", "plain"),
        "×",
        CLEAN_LIMITS[architecture.name, pool],
        ours=median(mean) * EPOCH / PART,
        peer=median(plain) * EPOCH / PART,
        control=ratio(times, "copy", "plain"),
        note=f"its first epoch {ratio(times, f'first, pool of {pool}', 'plain'):.2f} ×, later ones "
        f"{ratio(times, f'later, pool of {pool}', 'plain'):.2f} ×",
    )


if __name__ == "__main__":
    timing.main(measure, __doc__)
