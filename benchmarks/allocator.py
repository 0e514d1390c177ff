"""What the workers' allocator settings bring: TrimNet's training with and without them, processes in turn.

    python benchmarks/allocator.py [--repeats 7]

The settings are glibc's: memory that is freed stays with the process, in huge pages, so that no step of training pays
for page faults. They change no number. Elsewhere than on Linux with glibc 2.35 or newer they do nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import timing
from timing import Result, row_of

from pbgraph.execution.engines.local import ALLOCATOR

TRAIN = f"""
import sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import logging
from time import process_time
from workload import Training
from pbgraph.models.trimnet import TRIMNET
logging.disable(logging.WARNING)
training = Training.of(TRIMNET)
training.steps(8)
start = process_time()
training.steps(24)
print(process_time() - start)
"""


def seconds(tunables: str) -> float:
    """CPU seconds of 24 batches in a process with these settings."""
    environment = {**os.environ, "GLIBC_TUNABLES": tunables}
    done = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(repeats: int) -> Sequence[Result]:
    variants = {"ours": ALLOCATOR, "peer": "", "copy": ALLOCATOR}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, tunables in variants.items():
            times[name].append(seconds(tunables))
    return [
        row_of("24 training batches with the workers' allocator settings / without", times, "ours", "peer", target=1.0)
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
