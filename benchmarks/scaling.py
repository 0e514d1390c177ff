"""How cost grows: time and peak memory against molecules, tasks, width, dendrites and seeds.

    python benchmarks/scaling.py [--molecules 1000000] [--seconds 120]

Each point is measured in a process of its own, so that its peak memory is its own. More molecules than Tox21 has are
made by repeating it. A series stops before the point that would take longer than --seconds, judged by the last one.
Writes scaling.json, the table scaling.md and the figure scaling.svg beside this file. The exponent b is that of a
fit of a·nᵇ to the upper half of a series, where fixed costs count for little.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workload import BATCH, Training, endless_batches, fit_job, molecules, stores, timing  # isort: skip
import numpy as np
import torch

from pbgraph.execution.memory import peak_bytes
from pbgraph.features.graphs import codes
from pbgraph.graph import GraphStore
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.training import TrainSettings, make_loss, predict
from pbgraph.models.base import Dims
from pbgraph.models.trimnet import TRIMNET

HERE = Path(__file__).parent
SERIES: Mapping[str, tuple[str, Sequence[int]]] = {
    "featurise": ("molecules", (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "select and batch an epoch": ("molecules", (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "score": ("molecules", (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "training step, tasks": ("tasks", (1, 3, 12, 40, 128, 617)),
    "training step, width": ("channels", (8, 16, 32, 64, 128)),
    "training step, dendrites": ("1 + dendrites", (1, 2, 3, 4)),
    "training in parallel, seeds": ("seeds", (1, 2, 4)),
}


@dataclass(frozen=True)
class Point:
    """One measurement: CPU seconds and peak memory (bytes) at size n."""

    n: int
    seconds: float
    memory: int


def repeated_store(n: int) -> GraphStore:
    """A store of n molecules: the training molecules over and over."""
    train = stores()[0]
    return train.select(np.arange(n) % len(train))


def featurise(n: int) -> Callable[[], object]:
    """In one process, so that its CPU seconds and memory are those of all the work."""
    smiles = molecules().smiles
    longer = (smiles * (n // len(smiles) + 1))[:n]
    return lambda: codes(longer, processes=1)


def epoch_of_batches(n: int) -> Callable[[], object]:
    store = repeated_store(n)
    order = np.random.default_rng(0).permutation(n)
    return lambda: [store.batch(order[first : first + BATCH]).num_graphs for first in range(0, n, BATCH)]


def score(n: int) -> Callable[[], object]:
    store, training = repeated_store(n), Training.of(TRIMNET)
    return lambda: predict(training.model, store, "classification")


def steps(training: Training) -> Callable[[], object]:
    training.steps(2)
    return lambda: training.steps(8)


def step_of(tasks: int, channels: int) -> Callable[[], object]:
    """Training steps of a TrimNet of another size; labels are repeated where there are more tasks than in Tox21."""
    train = stores()[0]
    job = fit_job(TRIMNET, TrainSettings())
    y = np.tile(train.y, (1, tasks // train.y.shape[1] + 1))[:, :tasks]
    model = TRIMNET.build(Dims(train.node_dim, train.edge_dim, tasks), TRIMNET.config(hidden=channels))
    optimizer = make_optimizer(job.settings, model)(model.parameters())
    store = type(train)(**{**vars(train), "y": y})
    return steps(Training(job, model, optimizer, make_loss(job), endless_batches(store)))


def with_dendrites(n: int) -> Callable[[], object]:
    from dendrites import Perforated

    perforated = Perforated(TRIMNET, 1).grown("neuron", n - 1)
    return perforated.steps


def seeds(n: int) -> Callable[[], object]:
    """As many processes as seeds, each with its own training; seconds are those of all."""
    command = [sys.executable, __file__, "--point", "training step, width", "32"]

    def run() -> None:
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(n)]
        if any(process.wait() for process in running):
            raise RuntimeError("a process failed")

    return run


WORK: Mapping[str, Callable[[int], Callable[[], object]]] = {
    "featurise": featurise,
    "select and batch an epoch": epoch_of_batches,
    "score": score,
    "training step, tasks": lambda n: step_of(n, 32),
    "training step, width": lambda n: step_of(12, n),
    "training step, dendrites": with_dendrites,
    "training in parallel, seeds": seeds,
}


def cpu_seconds() -> float:
    """Of this process and of its children that are over."""
    own = time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + children.ru_utime + children.ru_stime


def point(series: str, n: int) -> Point:
    """Measure in this process."""
    torch.manual_seed(0)
    work = WORK[series](n)
    start = cpu_seconds()
    work()
    return Point(n, cpu_seconds() - start, peak_bytes())


def measured(series: str, sizes: Sequence[int], limit: float) -> list[Point]:
    """All points of a series, each in a process of its own, until one would take longer than `limit` seconds."""
    points: list[Point] = []
    for n in sizes:
        if points and points[-1].seconds * n / points[-1].n > limit:
            break
        command = [sys.executable, __file__, "--point", series, str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        points.append(Point(**json.loads(done.stdout)))
        print(series, points[-1], file=sys.stderr, flush=True)
    return points


def exponent(points: Sequence[Point], what: str) -> float:
    """b of a·nᵇ by least squares in logarithms over the upper half of the points."""
    upper = points[len(points) // 2 - 1 if len(points) > 2 else 0 :]
    n, value = (np.log([getattr(point, name) for point in upper]) for name in ("n", what))
    return float(np.polyfit(n, value, 1)[0])


def table(results: Mapping[str, Sequence[Point]]) -> str:
    lines = [
        "| what | against | from - to | CPU s | peak MB | exponent of time | of memory |",
        "|---|---|---|---|---|---:|---:|",
    ]
    for series, points in results.items():
        first, last = points[0], points[-1]
        cells = [
            series,
            SERIES[series][0],
            f"{first.n:,} - {last.n:,}",
            f"{first.seconds:.3g} - {last.seconds:.3g}",
            f"{first.memory / 1e6:.0f} - {last.memory / 1e6:.0f}",
            f"{exponent(points, 'seconds'):.2f}",
            f"{exponent(points, 'memory'):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(results: Mapping[str, Sequence[Point]], file: Path) -> None:
    """Time (left) and peak memory (right) against size, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, what, unit in zip(axes, ("seconds", "memory"), (1.0, 1e6), strict=True):
        for series, points in results.items():
            values = [getattr(point, what) / unit for point in points]
            label = f"{series}: n^{exponent(points, what):.2f}"
            axis.loglog([point.n for point in points], values, "o-", label=label, markersize=3)
        axis.set_xlabel("size: molecules, tasks, channels, 1 + dendrites, seeds")
        axis.legend(fontsize=7)
    axes[0].set_ylabel("CPU seconds")
    axes[1].set_ylabel("peak memory, MB")
    drawing.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=1_000_000, help="largest number of molecules")
    parser.add_argument("--seconds", type=float, default=120.0, help="a point that would take longer is left out")
    parser.add_argument("--point", nargs=2, metavar=("SERIES", "N"), help="measure one point in this process")
    arguments = parser.parse_args()
    if arguments.point:
        print(json.dumps(asdict(point(arguments.point[0], int(arguments.point[1])))))
        return
    results = {
        series: measured(series, [n for n in sizes if n <= arguments.molecules], arguments.seconds)
        for series, (_, sizes) in SERIES.items()
    }
    report = {series: [asdict(one) for one in points] for series, points in results.items()}
    (HERE / "scaling.json").write_text(json.dumps({"machine": timing.machine(), "series": report}, indent=1) + "\n")
    (HERE / "scaling.md").write_text(table(results))
    figure(results, HERE / "scaling.svg")
    print(table(results))


if __name__ == "__main__":
    main()
