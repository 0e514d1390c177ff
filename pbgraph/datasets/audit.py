"""What is in a table of molecules: labels, salts, near-duplicates, contradictions, leakage between splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.metrics import METRICS, Kind, Metric
from pbgraph.molecules import Molecules, Rejected
from pbgraph.splits.base import Split
from pbgraph.structures.facts import describe

TOLERANCE = 0.25  # standard deviations of a regression task's values, by which those of one parent may differ


@dataclass(frozen=True)
class TaskFacts:
    """How many rows of a task are measured, and how many of these are active; None for a regression task."""

    task: str
    labelled: int
    active: int | None


@dataclass(frozen=True)
class Leakage:
    """Parents on both sides of a split: how many, and how many of its `tested` test rows they reach."""

    parents: int
    test_rows: int
    tested: int


@dataclass(frozen=True)
class Noise:
    """How far the measurements of a task contradict each other: those of rows of one parent.

    replicates  measured rows whose parent is measured in another row, too
    conflicts   parents whose rows conflict, see `Audit.conflicting_cells`, of so many `parents`
    ceiling     the data set's metric, where each of these rows is predicted by the mean of its parent's other rows:
                what comes of measuring again. None where it is undefined
    """

    task: str
    replicates: int
    parents: int
    conflicts: int
    ceiling: float | None


@dataclass(frozen=True)
class Audit:
    """Facts about a data set. All but `rows` and `rejected` count accepted rows alone.

    rows               of the file
    labelled           measured cells; blank cells are `accepted` x tasks - `labelled`
    blank_rows         accepted rows without any label
    duplicate_rows     rows whose whole structure, by InChIKey, occurs in another row too
    sharing_rows       rows whose parent occurs in another row too
    repeated_cells     (parent, task) pairs measured in more than one row
    conflicting_cells  those of them with both labels, or of regression with two values that are more than TOLERANCE
                       standard deviations of the task's values apart
    noise              of each task that is measured more than once for some parents
    leakage            split -> what it leaks
    """

    dataset: str
    metric: str
    rows: int
    rejected: tuple[Rejected, ...]
    accepted: int
    tasks: tuple[TaskFacts, ...]
    labelled: int
    blank_rows: int
    multi_fragment: int
    bond_free: int
    parents: int
    duplicate_rows: int
    sharing_rows: int
    repeated_cells: int
    conflicting_cells: int
    noise: tuple[Noise, ...]
    leakage: Mapping[str, Leakage]


def audit(
    dataset: Dataset,
    molecules: Molecules,
    splits: Mapping[str, Split],
    *,
    done: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Measure the facts about a data set, and the leakage of some splits of it.

    done  told how many structures more were described, now and then

    For Tox21 two kinds of numbers differ from those stated in `datasets.tox21`, which count all 7,831 rows of the file.
    Here the 8 rows that RDKit rejects are left out: one of them is multi-fragment (244, not 245), and they hold
    82 of the 77,946 labels, 4 of them active. Parents can only be had from parsed structures, so those numbers agree.
    """
    structures = describe(molecules, done=done)
    parents, keys = (_numbered([getattr(s, name) for s in structures]) for name in ("parent", "key"))
    repeated, conflicting = conflicts(parents, molecules.y, dataset.kind)
    measured = ~np.isnan(molecules.y)
    return Audit(
        dataset=dataset.name,
        metric=dataset.metric,
        rows=len(molecules) + len(molecules.rejected),
        rejected=molecules.rejected,
        accepted=len(molecules),
        tasks=task_facts(molecules.tasks, molecules.y, dataset.kind),
        labelled=int(measured.sum()),
        blank_rows=int((~measured.any(axis=1)).sum()),
        multi_fragment=sum(s.fragments > 1 for s in structures),
        bond_free=sum(s.bonds == 0 for s in structures),
        parents=len(np.unique(parents)),
        duplicate_rows=_repeated(keys),
        sharing_rows=_repeated(parents),
        repeated_cells=repeated,
        conflicting_cells=conflicting,
        noise=noise(molecules.tasks, parents, molecules.y, metric=METRICS.get(dataset.metric)),
        leakage={name: leakage(parents, split) for name, split in splits.items()},
    )


def _numbered(names: Sequence[str]) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def _repeated(numbers: np.ndarray) -> int:
    """Entries that occur more than once."""
    return int((np.bincount(numbers)[numbers] > 1).sum())


def task_facts(tasks: Sequence[str], y: np.ndarray, kind: Kind) -> tuple[TaskFacts, ...]:
    """Labelled and active rows of each task; y (n, T), NaN = not measured."""
    labelled, active = (~np.isnan(y)).sum(axis=0).tolist(), (y == 1).sum(axis=0).tolist()
    counted = active if kind == "classification" else [None] * len(active)
    return tuple(TaskFacts(*facts) for facts in zip(tasks, labelled, counted, strict=True))


def leakage(parents: np.ndarray, split: Split) -> Leakage:
    """Which parents occur in both training and test rows; parents (n,), equal for rows of one compound."""
    shared = np.intersect1d(parents[split.train], parents[split.test])
    reached = int(np.isin(parents[split.test], shared).sum())
    return Leakage(parents=len(shared), test_rows=reached, tested=len(split.test))


def conflicts(parents: np.ndarray, y: np.ndarray, kind: Kind) -> tuple[int, int]:
    """Numbers of (parent, task) cells measured more than once, and of those whose labels conflict; see `Audit`.

    parents (n,), equal for rows of one compound; y (n, T), NaN = not measured
    """
    order = np.argsort(parents, kind="stable")
    starts = np.flatnonzero(np.diff(parents[order], prepend=-1))
    ordered = y[order]
    counts = np.add.reduceat(~np.isnan(ordered), starts, axis=0, dtype=np.int64)
    spread = np.fmax.reduceat(ordered, starts, axis=0) - np.fmin.reduceat(ordered, starts, axis=0)
    repeated = counts > 1
    tolerance = 0.0 if kind == "classification" else TOLERANCE * np.nanstd(y, axis=0, dtype=np.float64)
    return int(repeated.sum()), int((repeated & (spread > tolerance)).sum())


def noise(tasks: Sequence[str], parents: np.ndarray, y: np.ndarray, *, metric: Metric) -> tuple[Noise, ...]:
    """Of the tasks that some parents have more than one measurement of; arguments as of `conflicts`."""
    found = (_noise(name, parents, column, metric=metric) for name, column in zip(tasks, y.T, strict=True))
    return tuple(one for one in found if one.replicates)


def _noise(name: str, parents: np.ndarray, y: np.ndarray, *, metric: Metric) -> Noise:
    measured = ~np.isnan(y)
    values = y[measured].astype(np.float64)
    group = np.unique(parents[measured], return_inverse=True)[1]
    counts, sums = np.bincount(group), np.bincount(group, weights=values)
    several = counts[group] > 1
    group, values = group[several], values[several]
    if not len(values):
        return Noise(name, 0, 0, 0, None)
    others = (sums[group] - values) / (counts[group] - 1)
    repeated, conflicting = conflicts(parents, y[:, None], metric.kind)
    return Noise(name, len(values), repeated, conflicting, metric.score(values, others))
