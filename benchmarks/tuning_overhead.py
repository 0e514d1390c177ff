"""What does a search take beside training? GIN on Tox21, one worker, from the command to its table.

    python benchmarks/tuning_overhead.py --trials 3 --seeds 0-1

A run's own seconds are those of its trial: data, training and selection. All else is the search's: starting both
processes, proposing settings, journal and lines, messages between processes, and the table. What is paid once is
measured by starting the same search again when nothing is left of it, and by the time until the first run starts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pbgraph.results.tuning import read_trials


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds until the first run starts (or the end, if none does), and in all."""
    began = time.monotonic()
    first: float | None = None
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if first is None and line.rstrip().endswith("started"):
                first = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"the search ended with status {process.returncode}")
    whole = time.monotonic() - began
    return (whole if first is None else first), whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--seeds", default="0-1")
    parser.add_argument("--epochs", type=int, help="of every run (default: as the recipe and the search have it)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pbgraph.bench", "tune", "tox21", "--models", "gin", "--jobs", "1"]
        command += ["--trials", str(given.trials), "--seeds", given.seeds, "--results", folder]
        command += [] if given.epochs is None else ["--set", f"training.epochs={given.epochs}"]
        first, whole = timed(command)
        _, again = timed(command)
        trials = read_trials(Path(folder) / "tuning" / "tox21" / "gin-backprop.jsonl")
    runs = [seconds for trial in trials for seconds in trial.seconds]
    rest = whole - sum(runs)
    after = rest - first
    print(f"{len(trials)} trials, {len(runs)} runs, {whole:.1f} s, of which training {sum(runs):.1f} s")
    print(f"beside training: {rest:.2f} s, {rest / whole:.1%}; per run {rest / len(runs):.2f} s")
    print(f"{first:.2f} s until the first run starts, {after / len(runs):.2f} s per run after that")
    print(f"the command with nothing to do: {again:.2f} s")


if __name__ == "__main__":
    main()
