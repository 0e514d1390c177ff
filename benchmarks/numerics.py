"""What one arithmetic on every x86-64 processor costs: epochs in the environment of workers, against that of a shell.

    python benchmarks/numerics.py [--repeats 7]

Two processes take turns at 8 of the 49 batches, and an identical copy of the first takes its turn too. One thread,
CPU seconds. `tests/numeric_digests.py` prints digests of what workers compute, to be compared between machines, and
`benchmarks/as_intel.py tests/numeric_digests.py --here` what an Intel processor would give.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import process_time
from unittest.mock import patch

from workload import EPOCH, PART, Training, timing  # isort: skip (sets the number of threads)
from timing import Result, Skipped

from pbgraph.execution import numerics
from pbgraph.features.graphs import GRAPH
from pbgraph.models.base import MODELS, Architecture

ARCHITECTURES = ("trimnet", "gin", "d-mpnn", "gps")


def train(name: str, connection: Connection) -> None:
    """Wait for a word, train, and say how long it took, until the word is to stop."""
    numerics.settle()
    model = MODELS.get(name)
    assert isinstance(model, Architecture)
    training = Training.of(model, featuriser=GRAPH)
    training.steps(2)
    connection.send(numerics.numeric_platform().described)
    while connection.recv():
        start = process_time()
        training.steps(PART)
        connection.send(process_time() - start)


class Trainer:
    """A process that trains when it is told to. environment: variables that it starts with beside the shell's."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=train, args=(name, theirs), daemon=True)
        with patch.dict(os.environ, environment):
            self.process.start()
        self.platform = self.pipe.recv()

    def seconds(self) -> float:
        """CPU seconds of one turn."""
        self.pipe.send(True)
        seconds: float = self.pipe.recv()
        return seconds

    def end(self) -> None:
        self.pipe.send(False)
        self.process.join()


def measure(repeats: int) -> Sequence[Result]:
    if numerics.environment() == numerics.ONE_THREAD:
        return [Skipped("epoch in the workers' environment", "no x86-64 processor with AVX2")]
    return [row(name, repeats) for name in ARCHITECTURES]


def row(name: str, repeats: int) -> Result:
    common = numerics.environment()
    trainers = {"ours": Trainer(name, common), "peer": Trainer(name, {}), "copy": Trainer(name, common)}
    times: dict[str, list[float]] = {variant: [] for variant in trainers}
    for number in range(-1, repeats):
        for variant in sorted(trainers, key=lambda one: (list(trainers).index(one) - number) % len(trainers)):
            seconds = trainers[variant].seconds()
            if number >= 0:
                times[variant].append(seconds)
    for trainer in trainers.values():
        trainer.end()
    note = f"{trainers['peer'].platform} as it is"
    return timing.row_of(
        f"{name} training epoch as workers compute / as the libraries choose",
        times,
        "ours",
        "peer",
        target=1.15,
        scale=EPOCH / PART,
        note=note,
    )


if __name__ == "__main__":
    timing.main(measure, __doc__)
