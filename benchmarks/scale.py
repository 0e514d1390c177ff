"""How the engines bear many runs: 10,000 fake runs of known length through each, and the tables of their records.

    python benchmarks/scale.py [--sizes 2500 5000 10000] [--only plan local pull ray table leaderboard]

Each figure is taken in a process of its own, for each size, and a power of the size is fitted to them: an exponent
above 1.1 says that something grows faster than the number of runs. Overhead per run is the wall time of all, times the
workers, less what the runs sleep, over their number; the start of workers is in it. Memory is the peak of the driver.
Ray is measured where it is installed: `pip install -e '.[ray]'`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent
SIZES = (2500, 5000, 10000)
WORKERS = 2
TARGETS = {"overhead": 0.05, "plan": 2.0, "table": 3.0}  # seconds: of a run, and of 10,000
ARMS = 20
MODELS = ("gin", "gat", "gcn", "trimnet")
METHODS = ("backprop", "perforated", "continued", "widened", "widened-continued")


def planned(runs: int) -> Any:
    """A plan of so many runs: four networks with five methods, and as many seeds as it takes."""
    from pbgraph.plans.plan import plan

    return plan("tox21", "paper", models=MODELS, methods=METHODS, seeds=range(68, 68 + runs // ARMS))


class Counting:
    """A progress display that shows nothing: the most runs that were in progress at once."""

    def __init__(self) -> None:
        self.on, self.most, self.ends = 0, 0, 0

    def started(self, worker: int, spec: object) -> None:
        self.on += 1
        self.most = max(self.most, self.on)

    def reported(self, worker: int, report: object) -> None:
        pass

    def ended(self, worker: int | None, record: object) -> None:
        self.on -= worker is not None
        self.ends += 1

    def left(self, worker: int, reason: str) -> None:
        self.on -= 1
        print(reason, file=sys.stderr)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr)

    def passed(self) -> None:
        pass


def plan_figures(runs: int, folder: Path) -> dict[str, float]:
    planned(ARMS)  # imports what takes seconds
    began = time.perf_counter()
    made = planned(runs)
    keys = {spec.key for spec in made.specs}
    assert len(keys) == runs
    return {"seconds": time.perf_counter() - began}


def engine_figures(name: str, runs: int, folder: Path) -> dict[str, float]:
    """What an engine takes for so many runs; they are planned and looked for before."""
    from pbgraph.execution.engines.schedule import survey
    from pbgraph.execution.options import RunOptions
    from pbgraph.results.folder import ResultsFolder

    work, progress = survey(planned(runs), ResultsFolder(folder)), Counting()
    options: dict[str, Any] = {"device": "cpu", "progress": progress, "runner": "scale_runs"}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    began, memory = time.perf_counter(), usage.ru_maxrss * 1024
    done = ENGINES[name](work, RunOptions(folder), options)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    assert len(done) == progress.ends == len(work.todo)
    length = float(os.environ["PBGRAPH_FAKE_SECONDS"])
    return {
        "seconds": seconds,
        "overhead": (seconds * WORKERS - runs * length) / runs,
        "driver_cpu": (after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime) / runs,
        "memory": after.ru_maxrss * 1024,
        "memory_of_plan": memory,
        "in_progress": progress.most,
    }


def local(work: Any, options: Any, others: dict[str, Any]) -> list[Any]:
    from pbgraph.execution.engines.local import run_all

    return run_all(work, options, jobs=WORKERS, **others)


def pull(work: Any, options: Any, others: dict[str, Any]) -> list[Any]:
    """One puller here and one in another process."""
    from pbgraph.execution.engines.pulling import Pulling

    other = None
    if "SCALE_PEER" not in os.environ:
        command = [sys.executable, __file__, "--one", "pull", str(len(work.todo)), str(options.results)]
        other = subprocess.Popen(command, env={**os.environ, "SCALE_PEER": "1"}, stdout=subprocess.DEVNULL)
    done = Pulling()(work, options, jobs=1, **others)
    if other is not None:
        assert other.wait() == 0
    return done


def on_ray(work: Any, options: Any, others: dict[str, Any]) -> list[Any]:
    from ray.cluster_utils import Cluster

    from pbgraph.execution.engines.on_ray import OnRay, connected

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0, "include_dashboard": False})
    for _ in range(WORKERS):
        cluster.add_node(**node)
    try:
        with connected(cluster.address) as ray:
            return OnRay(ray, pack=lambda *_: {})(work, options, jobs=WORKERS, **others)
    finally:
        cluster.shutdown()


ENGINES: dict[str, Callable[[Any, Any, dict[str, Any]], list[Any]]] = {"local": local, "pull": pull, "ray": on_ray}


def written(runs: int, folder: Path) -> Path:
    """A results folder with so many records."""
    from scale_runs import made_up

    from pbgraph.results.folder import ResultsFolder

    for spec in planned(runs).specs:
        ResultsFolder(folder).write(made_up(spec))
    return folder


def command_figures(*words: str) -> Callable[[int, Path], dict[str, float]]:
    """What a command takes over so many records, wall-clock seconds of its process; that of its second call."""

    def figures(runs: int, folder: Path) -> dict[str, float]:
        written(runs, folder)
        command = [sys.executable, "-m", "pbgraph.bench", *words, "--results", str(folder)]
        for _ in range(2):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"seconds": time.perf_counter() - began, "cpu": cpu, "memory": after.ru_maxrss * 1024}

    return figures


FIGURES: dict[str, Callable[[int, Path], dict[str, float]]] = {
    "plan": plan_figures,
    **{name: lambda runs, folder, name=name: engine_figures(name, runs, folder) for name in ENGINES},  # type: ignore[misc]
    "table": command_figures("table", "tox21", "--preset", "paper"),
    "leaderboard": command_figures("leaderboard"),
}


def measured(what: str, runs: int, length: float) -> dict[str, float]:
    """In a process of its own."""
    with tempfile.TemporaryDirectory(prefix="s-", ignore_cleanup_errors=True) as folder:
        env = {**os.environ, "PBGRAPH_FAKE_SECONDS": str(length), "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}"}
        (Path(folder) / "t").mkdir()
        command = [sys.executable, __file__, "--one", what, str(runs), str(Path(folder) / "r")]
        done = subprocess.run(
            command, env={**env, "TMPDIR": f"{folder}/t"}, stdout=subprocess.PIPE, text=True, check=True
        )
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Of the power of the size that is fitted to values."""
    if len(sizes) < 2 or min(values) <= 0:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def line(what: str, sizes: Sequence[int], found: Sequence[dict[str, float]]) -> str:
    last = found[-1]
    seconds = " / ".join(f"{one['seconds']:.1f}" for one in found)
    overhead = f"{1000 * last['overhead']:.1f} ms" if "overhead" in last else ""
    driver = f"{1000 * last['driver_cpu']:.1f} ms" if "driver_cpu" in last else ""
    memory = f"{last['memory'] / 2**20:,.0f} MiB" if "memory" in last else ""
    most = f"{last['in_progress']:.0f}" if "in_progress" in last else ""
    power = f"{exponent(sizes, [one['seconds'] for one in found]):.2f}"
    return f"| {what} | {seconds} | {power} | {overhead} | {driver} | {memory} | {most} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--length", type=float, default=0.01, help="seconds of a run (default: 0.01)")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "RUNS", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        what, runs, folder = arguments.one
        print(json.dumps(FIGURES[what](int(runs), Path(folder))))
        return
    sizes = [size - size % ARMS for size in arguments.sizes]
    print(f"| what | seconds of {' / '.join(f'{size:,}' for size in sizes)} | exponent | overhead per run | ", end="")
    print("driver, CPU per run | memory | in progress |\n|---|---:|---:|---:|---:|---:|---:|")
    for what in arguments.only:
        if what == "ray" and find_spec("ray") is None:
            print("| ray | not installed: pip install -e '.[ray]' | | | | | |")
            continue
        print(line(what, sizes, [measured(what, size, arguments.length) for size in sizes]), flush=True)


if __name__ == "__main__":
    main()
