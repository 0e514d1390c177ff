"""Starting: `--help`, `ls`, and what a worker imports before its first run; wall-clock seconds.

    python benchmarks/startup.py [--repeats 7]

Programs are started once more than is counted, so that files are in the system's cache.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from statistics import median

import timing
from timing import Result, Row, Skipped, wall_seconds

WORKER = (
    "import pbgraph.execution.engines.worker, pbgraph.execution.runner, pbgraph.models.trimnet, "
    "pbgraph.methods.perforated"
)
COMMANDS = {"--help": ("--help", 0.5), "ls": ("ls", 1.5)}


def measure(repeats: int) -> Sequence[Result]:
    worker = [wall_seconds([sys.executable, "-c", WORKER]) for _ in range(repeats + 1)][1:]
    return [*_commands(repeats), Row("start of a worker: all its imports", median(worker), "s", 2.0)]


def _commands(repeats: int) -> Sequence[Result]:
    if find_spec("pbgraph.bench") is None:
        return [Skipped(name, "this checkout has no command line") for name in COMMANDS]
    rows = []
    for name, (argument, target) in COMMANDS.items():
        command = [sys.executable, "-m", "pbgraph.bench", argument]
        seconds = [wall_seconds(command) for _ in range(repeats + 1)][1:]
        rows.append(Row(f"python -m pbgraph.bench {name}", median(seconds), "s", target))
    return rows


if __name__ == "__main__":
    timing.main(measure, __doc__)
