"""Every row of the table of targets, measured now: prints the table and writes results.json beside this file.

    python benchmarks/all.py [--repeats 7] [--only training_epoch dendrites ...]

Each script runs in a process of its own, one after another. Nothing else should run on the machine meanwhile; where
something does, ratios still hold (see timing.py), seconds do not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import timing
from timing import Result, Row, Skipped

HERE = Path(__file__).parent
SCRIPTS = (
    "training_epoch",
    "numerics",
    "side_by_side",
    "dendrites",
    "preset",
    "featurisation",
    "neighbours",
    "features_epoch",
    "gin",
    "architectures",
    "predicting",
    "startup",
    "memory",
    "gpu",
)


def rows_of(script: str, repeats: int) -> list[Result]:
    """The rows of one script, run now; one that fails is a row that says so."""
    command = [sys.executable, str(HERE / f"{script}.py"), "--json", "--repeats", str(repeats)]
    print(f"{script} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().rsplit("\n", 1)[-1]
        return [Skipped(script, f"it failed: {last}")]
    return [timing.result_from(row) for row in json.loads(done.stdout)["rows"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=timing.REPEATS)
    parser.add_argument(
        "--only", nargs="+", choices=SCRIPTS, default=SCRIPTS, metavar="SCRIPT", help=", ".join(SCRIPTS)
    )
    arguments = parser.parse_args()
    results = [row for script in arguments.only for row in rows_of(script, arguments.repeats)]
    print(timing.table(results))
    (HERE / "results.json").write_text(timing.as_json(results, arguments.repeats))
    met = sum(isinstance(row, Row) and row.met for row in results)
    print(f"\n{met} of {len(results)} met; written to {HERE / 'results.json'}", file=sys.stderr)


if __name__ == "__main__":
    main()
