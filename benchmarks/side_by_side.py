"""Two training runs side by side on two cores, one thread each, against one alone: the sum of their speeds.

    python benchmarks/side_by_side.py [--repeats 7]

Wall-clock seconds, since cores are what is shared: that needs two idle cores. The note gives the same from each
process's CPU seconds, which leaves out time taken by other programs and keeps what the two runs do to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from workload import EPOCH, Training, timing  # isort: skip (sets the number of threads)
from timing import Result, Row

from pbgraph.models.trimnet import TRIMNET

PART = 16  # batches of one turn


def train(connection: Connection) -> None:
    """Wait for a word, train, and say so, until the word is to stop."""
    training = Training.of(TRIMNET)
    training.steps(2)
    connection.send("ready")
    while connection.recv():
        start = process_time()
        training.steps(PART)
        connection.send(process_time() - start)


def measure(repeats: int) -> Sequence[Result]:
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=train, args=(theirs,), daemon=True) for _, theirs in pipes]
    ours = [pipe for pipe, _ in pipes]
    for process in processes:
        process.start()
    for pipe in ours:
        pipe.recv()
    rounds = [(turn(ours[:1]), turn(ours), turn(ours[:1])) for _ in range(repeats)]
    for pipe in ours:
        pipe.send(False)
    for process in processes:
        process.join()
    by_cpu = median(2 * alone.cpu / both.cpu for alone, both, _ in rounds)
    return [
        Row(
            "two runs on two cores, batches per second / one run alone",
            median((alone.wall + again.wall) / both.wall for alone, both, again in rounds),
            "×",
            1.9,
            at_least=True,
            ours=median(2 * PART / both.wall for _, both, _ in rounds),
            peer=median(PART / alone.wall for alone, _, _ in rounds),
            figures="batches/s",
            control=median(again.wall / alone.wall for alone, _, again in rounds),
            note=f"{EPOCH} batches are an epoch; by CPU seconds {by_cpu:.2f} ×",
        )
    ]


class Turn(NamedTuple):
    """Seconds of wall clock, and CPU seconds of the slowest process."""

    wall: float
    cpu: float


def turn(pipes: Sequence[Connection]) -> Turn:
    """Let all of these train their part at once."""
    start = perf_counter()
    for pipe in pipes:
        pipe.send(True)
    cpu = max(pipe.recv() for pipe in pipes)
    return Turn(perf_counter() - start, cpu)


if __name__ == "__main__":
    timing.main(measure, __doc__)
