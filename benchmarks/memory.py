"""Peak memory of one worker that does runs of the default preset on Tox21, one after another.

    python benchmarks/memory.py

One epoch of every phase: the peak is reached within it. The peaks are those that the records say.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import timing
from timing import Result, Row

from pbgraph.results.folder import ResultsFolder

SHORT = ("training.epochs=1", "perforated.cycle_epochs=1", "perforated.dendrite_epochs=1")
METHODS = ("fit", "backprop", "perforated")


def measure(repeats: int) -> Sequence[Result]:
    """Peak memory does not vary by more than a few MB, so it is measured once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pbgraph.bench", "tox21", "--seeds", "68", "--jobs", "1", "--results", folder]
        done = subprocess.run(
            [*command, "--models", "random-forest", "trimnet", "--methods", *METHODS, "--set", *SHORT],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
        records = sorted(ResultsFolder(Path(folder)).records("tox21"), key=lambda record: record.provenance.created)
    peaks = {record.spec.arm.plain: record.cost.peak_memory_bytes / 1e9 for record in records if record.cost}
    return [Row(f"peak memory of a worker, {arm}", peak, "GB", 0.8) for arm, peak in peaks.items()]


if __name__ == "__main__":
    timing.main(measure, __doc__)
