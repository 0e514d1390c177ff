"""Where does the graph add something? Validation scores of development seeds by similarity to training.

    python benchmarks/validation_by_similarity.py [--seeds 0-9] [--splits random scaffold-balanced]

Networks with features of whole molecules beside their graphs, the same head without graphs, and baselines, all with the
settings of the preset `answer` but for what is named. Each run is a line of validation_by_similarity.jsonl beside this
file, written as it comes; what is there is not made again, so the same command goes on. Prints the tables that
recipes.md shows. No test row is scored.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

import numpy as np
import torch

from pbgraph.datasets.base import DATASETS
from pbgraph.execution.options import RunOptions
from pbgraph.execution.runner import trained
from pbgraph.features.nearness import nearness
from pbgraph.humanize import parse_seeds
from pbgraph.metrics import METRICS, mean_over_tasks
from pbgraph.plans.asked import Asked
from pbgraph.plans.presets import preset
from pbgraph.plans.resolve import spec_of
from pbgraph.plans.settings import parse_assignments
from pbgraph.report.by_similarity import BANDS, bands_of
from pbgraph.results.records import RunSpec

LINES = Path(__file__).with_suffix(".jsonl")
GRAPHS_ALONE = ("trimnet.features=graph", "trimnet.head=own", "trimnet.depth=2", "trimnet.hidden=32", "trimnet.heads=4")
OLD_RECIPE = (
    "trimnet.dropout=0.2",
    "trimnet.feature_dropout=0",
    "training.epochs=40",
    "training.patience=40",
    "training.batch_size=128",
    "training.learning_rate=2e-3",
    "training.weight_decay=1e-2",
    "training.head_rate=1",
)
GIN = (
    "gin.features=graph+descriptors+neighbours",
    "gin.head=packed",
    "gin.readout=mean",
    "training.epochs=12",
    "training.patience=12",
    "training.batch_size=128",
    "training.learning_rate=2e-3",
    "training.weight_decay=1e-2",
    "training.head_rate=2",
    "training.schedule=cosine",
    "training.warmup_epochs=1",
    "training.clip_norm=1",
)
ALL, DESCRIPTORS = "graph+descriptors+neighbours", "graph+descriptors"


@dataclass(frozen=True)
class Case:
    """A row of the table: a model with features, trained by a method, with what is set otherwise."""

    name: str
    features: str
    model: str
    method: str = "backprop"
    settings: tuple[str, ...] = ()


CASES = (
    Case("TrimNet", "graph, descriptors, neighbours", "trimnet"),
    Case("head alone", "descriptors, neighbours", "features-only", settings=(f"features-only.features={ALL}",)),
    Case("GIN", "graph, descriptors, neighbours", "gin", settings=GIN),
    Case("LightGBM", "descriptors, neighbours", "lightgbm", "fit"),
    Case("TrimNet", "graph, descriptors", "trimnet", settings=(f"trimnet.features={DESCRIPTORS}",)),
    Case("head alone", "descriptors", "features-only", settings=(f"features-only.features={DESCRIPTORS}",)),
    Case("random forest", "ECFP4, descriptors", "random-forest", "fit"),
    Case("TrimNet", "graph", "trimnet", settings=(*GRAPHS_ALONE, *OLD_RECIPE)),
)
WITHOUT_GRAPH = {CASES[0]: CASES[1], CASES[4]: CASES[5]}  # with what each is paired


@dataclass(frozen=True)
class Line:
    """One run: validation scores of all rows, then of each band's, and how many molecules these have."""

    split: str
    case: str
    features: str
    seed: int
    valid: list[float | None]
    molecules: list[int]
    seconds: float

    @property
    def of(self) -> tuple[str, str]:
        """Which row it belongs to."""
        return self.case, self.features


def spec(case: Case, split: str, seed: int) -> RunSpec:
    """The run of a case with a seed."""
    asked = Asked(case.model, case.method, tuple(parse_assignments(case.settings)))
    made = spec_of(DATASETS.get("tox21"), preset("answer").recipe, split=split, asked=asked)
    return replace(made, seed=seed, split_seed=seed)


def measured(case: Case, split: str, seed: int) -> Line:
    """One run, scored on validation rows alone."""
    started, run = time.monotonic(), spec(case, split, seed)
    metric = METRICS.get(run.metric)
    with (
        TemporaryDirectory() as folder,
        trained(run, RunOptions(Path(folder), offline=True), device="cpu", report=lambda _: None) as outcome,
    ):
        data = outcome.data
        scores = outcome.fitted.predict(data.store.select(data.split.valid))
    y = data.molecules.y[data.split.valid]
    band = np.array(bands_of(nearness(data.molecules, data.split.valid, data.split.train)))
    parts = [band >= 0, *(band == number for number in range(len(BANDS) - 1))]
    valid = [mean_over_tasks(metric, y[rows], scores[rows]) for rows in parts]
    counts = [int(rows.sum()) for rows in parts]
    return Line(split, case.name, case.features, seed, valid, counts, round(time.monotonic() - started, 1))


def read() -> list[Line]:
    """All lines that are there."""
    return [Line(**json.loads(text)) for text in LINES.read_text().splitlines()] if LINES.exists() else []


def table(lines: Sequence[Line], split: str) -> Iterable[str]:
    """The rows of one split, the best first: means and standard deviations over seeds, of all rows and every band."""
    mine = [line for line in lines if line.split == split]
    by_case = {case: {line.seed: line for line in mine if line.of == (case.name, case.features)} for case in CASES}
    counts = [f"{fmean(counts):.0f}" for counts in zip(*(line.molecules for line in mine), strict=True)]
    heads = [f"{name} ({count})" for name, count in zip(("all rows", *BANDS), counts, strict=False)]
    yield f"| {split} | features | seeds | " + " | ".join(heads) + " |"
    yield "|---|---|---:|" + "---:|" * len(heads)
    rows: list[tuple[float, str]] = []
    for case, found in by_case.items():
        columns = [_defined(one) for one in zip(*(line.valid for line in found.values()), strict=True)]
        if columns:
            cells = [f"{fmean(values):.4f}{_spread(values)}" for values in columns]
            rows.append((fmean(columns[0]), f"| {case.name} | {case.features} | {len(found)} | {' | '.join(cells)} |"))
    yield from (text for _, text in sorted(rows, reverse=True))
    for case, control in WITHOUT_GRAPH.items():
        both = [(line, by_case[control][seed]) for seed, line in by_case[case].items() if seed in by_case[control]]
        pairs = [list(zip(a.valid, b.valid, strict=True)) for a, b in both]
        cells = [_gained([a - b for a, b in of_band if None not in (a, b)]) for of_band in zip(*pairs, strict=True)]
        if both:
            yield f"| *what the graph adds* | {control.features} | {len(both)} | {' | '.join(cells)} |"


def _gained(values: Sequence[float]) -> str:
    """Mean, standard deviation, and on how many seeds it is above zero."""
    up = sum(value > 0 for value in values)
    return f"{fmean(values):+.4f}{_spread(values)}, {up} of {len(values)}" if values else "–"


def _spread(values: Sequence[float]) -> str:
    return f" ({stdev(values):.4f})" if len(values) > 1 else ""


def _defined(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def main() -> None:
    """Do what is missing, and show all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--splits", nargs="+", default=["random", "scaffold-balanced"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = {(line.split, *line.of, line.seed) for line in read()}
    for case, seed, split in product(CASES, parse_seeds(arguments.seeds), arguments.splits):
        if (split, case.name, case.features, seed) in done:
            continue
        line = measured(case, split, seed)
        with LINES.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")
        print(f"{split} {seed}: {case.name}, {case.features}: {line.valid[0]:.4f}, {line.seconds:.0f} s", flush=True)
    for split in arguments.splits:
        print("\n".join(table(read(), split)), end="\n\n")


if __name__ == "__main__":
    main()
