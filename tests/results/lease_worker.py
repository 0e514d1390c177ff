"""A worker for tests of leases: takes runs that have no record, and writes one after a moment; no torch, no training.

    python lease_worker.py FOLDER RUNS SKEW

What it wrote it says in FOLDER/done, a file for each time that a run was done.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from pbgraph.files.writing import new_file
from pbgraph.results.leases import Leases

EVERY = 0.05


def work(folder: Path, runs: int) -> None:
    with Leases(folder / "leases", every=EVERY) as leases:
        while todo := [number for number in range(runs) if not (folder / f"{number}.json").exists()]:
            number = random.choice(todo)
            if leases.take(f"{number:016x}"):
                if not (folder / f"{number}.json").exists():
                    do(folder, number, leases)
                leases.release(f"{number:016x}")
            else:
                time.sleep(0.01)


def do(folder: Path, number: int, leases: Leases) -> None:
    time.sleep(random.uniform(0.0, 0.06))
    if f"{number:016x}" in leases.lost:
        return
    try:
        with new_file(folder / f"{number}.json") as part:
            part.write_text("whole " * 2000)
    except FileExistsError:
        (folder / "done" / f"{number}.late.{leases.worker}").touch()
    else:
        (folder / "done" / f"{number}.{leases.worker}").touch()


if __name__ == "__main__":
    skew, clock = float(sys.argv[3]), time.time
    time.time = lambda: clock() + skew
    work(Path(sys.argv[1]), int(sys.argv[2]))
