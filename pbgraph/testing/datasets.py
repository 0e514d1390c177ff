"""What must hold for every data set; its file must be at hand, since nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import DATASETS, Dataset
from pbgraph.datasets.load import load, make_ready
from pbgraph.metrics import METRICS
from pbgraph.molecules import Molecules
from pbgraph.splits import SPLITS
from pbgraph.testing.base import Check, checks_of, require, require_described

MOST_REJECTED = 0.1  # of the rows; more of them means a wrong column


@dataclass(frozen=True, eq=False)
class OnDisk:
    """A data set and the folder in which its file is looked for first; read once, when it is needed."""

    dataset: Dataset
    folder: Path | None = None

    @cached_property
    def molecules(self) -> Molecules:
        """The accepted rows."""
        return load(self.dataset, folder=self.folder, offline=True)


def dataset_checks(dataset: str | Dataset, folder: Path | None = None) -> list[Check[OnDisk]]:
    """All checks of a data set, registered under this name or given itself.

    folder  looked in first, as with ``--data``
    Raises UsageError for an unknown name.
    """
    found = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    return checks_of(OnDisk(found, folder), DATASET_CHECKS)


def check_described(data: OnDisk) -> None:
    """It has a name, a version, a source and a licence, and defects with counts."""
    require_described(data.dataset)
    require(bool(data.dataset.licence.strip()), "licence is blank; say what is known of it")
    wrong = [text for text, count in data.dataset.defects.items() if not (text.strip() and count > 0)]
    require(not wrong, f"defects without a description or with a count below 1: {wrong}")


def check_file(data: OnDisk) -> None:
    """Its file is found without network and is the one that its SHA-256 names, if it names one."""
    make_ready(data.dataset, folder=data.folder, offline=True)


def check_rows(data: OnDisk) -> None:
    """The file has the rows that are stated; of a file that is not known beforehand, none need be."""
    if not (data.dataset.fixed or data.dataset.rows):
        return
    found = len(data.molecules) + len(data.molecules.rejected)
    require(found == data.dataset.rows, f"{found} rows in the file, {data.dataset.rows} stated")


def check_names(data: OnDisk) -> None:
    """Every molecule has a name of its own."""
    names = data.molecules.mol_ids
    require(all(name.strip() for name in names), f"column {data.dataset.id_column} has blank cells")
    require(len(set(names)) == len(names), f"column {data.dataset.id_column} repeats names")


def check_structures(data: OnDisk) -> None:
    """At least nine of ten rows hold a structure and labels that can be used."""
    rejected, rows = data.molecules.rejected, len(data.molecules) + len(data.molecules.rejected)
    few = len(rejected) <= MOST_REJECTED * rows
    require(few, f"{len(rejected)} of {rows} rows are rejected, e.g. {rejected[0].reason if rejected else ''}")


def check_rejected_stated(data: OnDisk) -> None:
    """If rows of a file that is known beforehand are rejected, a defect states how many."""
    if not data.dataset.fixed:
        return
    rejected = len(data.molecules.rejected)
    stated = not rejected or rejected in data.dataset.defects.values()
    require(stated, f"{rejected} rows are rejected, but no defect has that count: {dict(data.dataset.defects)}")


def check_labels(data: OnDisk) -> None:
    """Labels are float32 (molecules, tasks); every task has two different ones at least."""
    y, tasks = data.molecules.y, data.molecules.tasks
    shape = (len(data.molecules), len(tasks))
    require(y.shape == shape and y.dtype == np.float32, f"labels are {y.dtype} {y.shape}, expected float32 {shape}")
    alike = [task for task, column in zip(tasks, y.T, strict=True) if len(np.unique(column[~np.isnan(column)])) < 2]
    require(not alike, f"tasks in which no two labels differ: {', '.join(alike)}")


def check_protocol(data: OnDisk) -> None:
    """Its usual metric and split are registered, and the split divides it."""
    METRICS.get(data.dataset.metric)
    splitter = SPLITS.get(data.dataset.split)
    seed = (splitter.seeds or [68])[0] if splitter.seeded else None
    splitter.split(data.molecules, seed)


DATASET_CHECKS: Mapping[str, Callable[[OnDisk], None]] = {
    "described": check_described,
    "file": check_file,
    "rows": check_rows,
    "names": check_names,
    "structures": check_structures,
    "rejected-stated": check_rejected_stated,
    "labels": check_labels,
    "protocol": check_protocol,
}
