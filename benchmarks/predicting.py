"""Molecules per second from SMILES to predictions, of saved models, and of reading a user's table.

    python benchmarks/predicting.py [--molecules N] [--data DIR]

Smoke runs on a cut of Tox21 give models of the usual size. Each is then applied to N molecules (Tox21's, repeated), in
one process, twice: the first pass compiles kernels, and the two together show the noise. Of reading a table as training
data, the second pass finds what the first one kept of its structures. Peak memory is that of the process so far.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from pbgraph import runner
from pbgraph.datasets.load import load
from pbgraph.datasets.lookup import keep
from pbgraph.datasets.own import describe, to_dataset
from pbgraph.datasets.tox21 import TOX21
from pbgraph.memory import peak_bytes
from pbgraph.molecule_files import read_chunks
from pbgraph.plan import plan
from pbgraph.predict import load_predictor
from pbgraph.records import ResultsFolder

ARMS = {
    "gin": ("backprop", "perforated"),
    "trimnet": ("backprop",),
    "d-mpnn": ("backprop",),
    "random-forest": ("fit",),
    "lightgbm": ("fit",),
}
TRAINED_ON = 1000  # molecules
TARGETS = ("AhR", "MMP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--molecules", type=int, default=20_000, metavar="N")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of tox21.csv")
    arguments = parser.parse_args()
    tox21 = load(TOX21, folder=arguments.data)
    columns = [TOX21.tasks.index(name) for name in ("NR-AhR", "SR-MMP")]
    labels = [["" if value != value else str(int(value)) for value in row] for row in tox21.y[:, columns].tolist()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "train.csv", list(zip(tox21.smiles, labels, strict=True))[:TRAINED_ON])
        rows = list(islice(cycle(zip(tox21.smiles, labels, strict=True)), arguments.molecules))
        _write(folder / "many.csv", rows)
        print(f"{'':24} {'first pass':>12} {'second pass':>12}  molecules per second; peak memory so far")
        _report("read as training data", len(rows), lambda: load(_dataset(folder / "many.csv")))
        for arm, model in _trained(folder):
            _report(arm, len(rows), lambda model=model: _predict(model, folder / "many.csv"))


def _write(path: Path, rows: list[tuple[str, list[str]]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["smiles", *TARGETS], *([smiles, *cells] for smiles, cells in rows)])


def _dataset(path: Path):
    return to_dataset(describe(path, smiles="smiles", targets=TARGETS))


def _trained(folder: Path) -> list[tuple[str, Path]]:
    results = ResultsFolder(folder / "results")
    task = describe(folder / "train.csv", smiles="smiles", targets=TARGETS)
    keep(task, results)
    folders = runner.Folders(results.root, save_models=True)
    specs = [
        spec
        for model, methods in ARMS.items()
        for spec in plan(to_dataset(task), "smoke", models=[model], methods=methods).specs
    ]
    for spec in specs:
        runner.run(spec, folders)
    return [(spec.arm, results.model_path(spec)) for spec in specs]


def _predict(model: Path, path: Path) -> None:
    for _ in load_predictor(model).stream(read_chunks(path, form="csv", smiles="smiles")):
        pass


def _report(what: str, molecules: int, once) -> None:
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        once()
        rates.append(molecules / (time.perf_counter() - started))
    print(f"{what:24} {rates[0]:12,.0f} {rates[1]:12,.0f}  {peak_bytes() / 2**20:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
