"""Peak memory of one worker that does Tox21 runs of the default preset: a random forest, then a plain TrimNet, then a
perforated one.

    python benchmarks/memory.py

One epoch of every phase: the peak is reached within it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import timing
from timing import Result, Row

RUN = """
import sys, tempfile
from dataclasses import replace
from pathlib import Path
from pbgraph.plans.plan import plan
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.runner import run
import torch
torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    for spec in (*plan("tox21", models=["random-forest"], seeds=[68]).specs, *plan("tox21", "smoke").specs):
        short = {name: 1 for name in ("epochs", "cycle_epochs", "dendrite_epochs") if name in spec.settings}
        record = run(replace(spec, settings={**spec.settings, **short}), RunOptions(Path(folder)))
        assert record.status == "finished", record.error
        print(record.cost.peak_memory_bytes)
"""


def measure(repeats: int) -> Sequence[Result]:
    """Peak memory does not vary by more than a few MB, so it is measured once."""
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    peaks = [int(line) / 1e9 for line in done.stdout.split()]
    arms = ("random-forest/fit", "trimnet/backprop after it", "trimnet/perforated after both")
    return [Row(f"peak memory of a worker, {arm}", peak, "GB", 0.8) for arm, peak in zip(arms, peaks, strict=True)]


if __name__ == "__main__":
    timing.main(measure, __doc__)
