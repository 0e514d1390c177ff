"""From SMILES to predictions by saved models: molecules per second, and memory as the table grows; one thread.

    python benchmarks/predicting.py [--repeats 7]

Smoke runs on a cut of Tox21 give models of the usual size. Each is then applied to a table of Tox21's molecules,
repeated to 20,000 rows, in one process. Memory is that of a process which predicts 10⁴ rows and of one with 10⁶.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from workload import molecules, timing  # isort: skip (sets the number of threads)
from timing import Result, Row

from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.execution import runner
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.memory import peak_bytes
from pbgraph.plans.plan import plan
from pbgraph.plans.settings import parse_assignment
from pbgraph.prediction.molecule_files import read_chunks
from pbgraph.prediction.predict import load_predictor
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

FEATURES = ("trimnet.features=graph+descriptors+neighbours", "trimnet.head=packed")
WITH_FEATURES, FEW_WITH_FEATURES = "trimnet with descriptors and neighbours", 2_000  # molecules predicted
ARMS = {
    "trimnet": ("backprop", "perforated"),
    "gin": ("backprop",),
    "d-mpnn": ("backprop",),
    "random-forest": ("fit",),
    "lightgbm": ("fit",),
}
TRAINED_ON, PREDICTED, FEW, MANY = 1000, 20_000, 10_000, 1_000_000  # molecules
TARGETS = ("AhR", "MMP")
RATE, GROWTH = 2000, 1.05  # molecules per second; more than that share is no constant memory
RATE_WITH_FEATURES = 1000


def measure(repeats: int) -> Sequence[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = trained(folder)
        for count in (PREDICTED, FEW, MANY):
            write(folder / f"{count}.csv", islice(cycle(labelled()), count))
        write(folder / "few.csv", islice(labelled(), TRAINED_ON, TRAINED_ON + FEW_WITH_FEATURES))
        featured = models.pop(WITH_FEATURES)
        rates = [rate(arm, model, folder / f"{PREDICTED}.csv", repeats) for arm, model in models.items()]
        rates.append(rate(WITH_FEATURES, featured, folder / "few.csv", min(repeats, 3), target=RATE_WITH_FEATURES))
        few, many = (peak(models["trimnet/backprop"], folder / f"{count}.csv") for count in (FEW, MANY))
    what = f"peak memory of predicting {MANY:,} rows / {FEW:,} rows, trimnet/backprop"
    return [*rates, Row(what, many / few, "×", GROWTH, ours=many / 1e9, peer=few / 1e9, figures="GB")]


def labelled() -> Iterator[tuple[str, list[str]]]:
    """SMILES and two labels of Tox21's molecules."""
    columns = [molecules().tasks.index(name) for name in ("NR-AhR", "SR-MMP")]
    for smiles, row in zip(molecules().smiles, molecules().y[:, columns].tolist(), strict=True):
        yield smiles, ["" if value != value else str(int(value)) for value in row]


def write(path: Path, rows: Iterator[tuple[str, list[str]]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["smiles", *TARGETS])
        csv.writer(file).writerows([smiles, *cells] for smiles, cells in rows)


def trained(folder: Path) -> dict[str, Path]:
    """Arm -> folder of its saved model."""
    write(folder / "train.csv", islice(labelled(), TRAINED_ON))
    results = ResultsFolder(folder / "results")
    task = describe(folder / "train.csv", smiles="smiles", targets=TARGETS)
    keep(task, results)
    specs = [
        spec
        for model, methods in ARMS.items()
        for spec in plan(to_dataset(task), "smoke", models=[model], methods=methods).specs
    ]
    settings = [parse_assignment(text) for text in FEATURES]
    featured = plan(to_dataset(task), "smoke", models=["trimnet"], methods=["backprop"], settings=settings).specs[0]
    for spec in (*specs, featured):
        runner.run(spec, RunOptions(results.root, save_models=True))
    return {**{str(spec.arm): results.model_path(spec) for spec in specs}, WITH_FEATURES: results.model_path(featured)}


def predict(model: Path, table: Path) -> None:
    for _ in load_predictor(model).stream(read_chunks(table, form="csv", smiles="smiles")):
        pass


def rate(arm: str, model: Path, table: Path, repeats: int, *, target: float = RATE) -> Row:
    """Molecules per CPU second; the first pass, which may compile kernels, does not count."""
    rates, rows = [], sum(1 for _ in table.open()) - 1
    for _ in range(repeats + 1):
        start = time.process_time()
        predict(model, table)
        rates.append(rows / (time.process_time() - start))
    return Row(f"predicting from SMILES, {arm}", median(rates[1:]), "molecules/s", target, at_least=True)


def peak(model: Path, table: Path) -> int:
    """Peak bytes of a process that predicts the table and does nothing else."""
    command = [sys.executable, __file__, "--predict", str(model), str(table)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--predict"]:
        predict(Path(sys.argv[2]), Path(sys.argv[3]))
        print(peak_bytes())
    else:
        timing.main(measure, __doc__)
