"""Every score of which a record has the predictions, made anew from these and the labels of the data.

Files have the test rows, and those of earlier versions validation rows too. Of validation rows whose predictions are
not kept, sizes and labels alone are compared; thresholds, which come from them, are taken as the record has them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pbgraph.datasets.load import load
from pbgraph.errors import DataError, PbgraphError
from pbgraph.execution.scoring import Rows, split_score
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import content_of
from pbgraph.metrics import METRICS, Metric, SplitScore, label_of
from pbgraph.molecules import Molecules
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import is_earlier, of_part, predictions_in
from pbgraph.results.protocol import differences
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS, Split
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.folder import by_task

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDING = 1e-12  # of a mean that another version of NumPy may sum in another order, as a share of the value


@dataclass
class _Data:
    """The molecules of a task, and its splits and their cells once they have been made."""

    molecules: Molecules
    splits: dict[tuple[str, int | None], Split] = field(default_factory=dict)
    cells: dict[tuple[str, int | None, str], Cells] = field(default_factory=dict)

    def split(self, record: RunRecord) -> Split:
        name, seed = which = record.spec.split, record.spec.split_seed
        if which not in self.splits:
            self.splits[which] = SPLITS.get(name).split(self.molecules, seed)
        return self.splits[which]

    def cells_of(self, record: RunRecord, part: str) -> Cells:
        which = (record.spec.split, record.spec.split_seed, part)
        if which not in self.cells:
            self.cells[which] = Cells.of(self.molecules, getattr(self.split(record), part))
        return self.cells[which]


@dataclass(frozen=True, eq=False)
class Cells:
    """The measured cells of a part of the data: y (n, T), and for each cell its row, column, name and task.

    mol_id  names, or where only the predictions are known, what they call the molecules
    """

    y: np.ndarray
    row: np.ndarray
    column: np.ndarray
    mol_id: Sequence[str] | Sequence[int]
    task: Sequence[str]
    tasks: tuple[str, ...]

    @staticmethod
    def of(molecules: Molecules, index: np.ndarray) -> Cells:
        """Of the molecules with these numbers, in the order in which predictions are written."""
        y = molecules.y[index]
        row, column = np.nonzero(~np.isnan(y))
        names = [molecules.mol_ids[index[i]] for i in row]
        return Cells(y, row, column, names, [molecules.tasks[i] for i in column], molecules.tasks)

    @staticmethod
    def said_by(table: pa.Table, tasks: tuple[str, ...]) -> Cells:
        """As the predictions themselves name them, where there are no data; tasks: of the record.

        Raises DataError if they name another task, or a molecule and task twice.
        """
        names, said = table.column(_molecule(table)).to_pylist(), table.column("task").to_pylist()
        if strange := sorted(set(said) - set(tasks)):
            raise DataError(
                f"its predictions are of {', '.join(strange)}, expected {', '.join(tasks)}; restore the file"
            )
        if twice := [cell for cell, count in Counter(zip(names, said, strict=True)).items() if count > 1]:
            raise DataError(
                f"its predictions have molecule {twice[0][0]} and task {twice[0][1]} twice, as {len(twice)} of their "
                "cells: expected each once; restore the file"
            )
        row = np.unique(names, return_inverse=True)[1]
        column = np.array([tasks.index(name) for name in said], dtype=np.int64)
        y = np.full((row.max(initial=-1) + 1, len(tasks)), np.nan, dtype=np.float32)
        y[row, column] = table.column("y").to_numpy()
        return Cells(y, row, column, names, said, tasks)

    def grid(self, table: pa.Table) -> np.ndarray:
        """The scores of these cells (n, T), NaN where nothing is measured."""
        score = np.full(self.y.shape, np.nan)
        score[self.row, self.column] = table.column("score").to_numpy()
        return score


def check_scores(
    results: ResultsFolder,
    records: Sequence[RunRecord],
    *,
    data: Path | None = None,
    offline: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Compare the scores of these finished records, whose predictions are theirs, with what the predictions give.

    data, offline  as for `pbgraph.datasets.load.load`
    done           called with 1 after each record
    Where the data of a task cannot be had, the labels that stand beside the predictions are taken, and it is said that
    these, the splits and the rows were not compared.
    """
    wrong, unchecked, counted = [], [], Counter({"scores": 0})
    for dataset, mine in by_task(records).items():
        known = _loaded(dataset, results, data, offline=offline)
        if isinstance(known, str):
            unchecked.append(f"labels, rows and splits of {len(mine)} runs of {dataset}: {known}")
        unchecked += sorted({line for record in mine for line in _unknown_metrics(record)})
        for name in sorted({record.spec.split for record in mine if record.spec.split not in SPLITS}):
            unchecked.append(f"labels, rows and splits of runs of {dataset} on split {name}, which is not here")
        for record in mine:
            where = f"record {record.key} of {record.spec.arm}, seed {record.spec.seed}"
            compared = None if isinstance(known, str) or record.spec.split not in SPLITS else known
            lines = guarded(where, _problems, results, record, compared, counted)
            wrong += [line if line.startswith(where) else f"{where}: {line}" for line in lines]
            done(1)
    return findings(counted, wrong, unchecked)


def _loaded(dataset: str, results: ResultsFolder, folder: Path | None, *, offline: bool) -> _Data | str:
    """The data of a task, or why they cannot be had."""
    try:
        return _Data(load(dataset_of(dataset, results), folder=folder, offline=offline))
    except PbgraphError as error:
        return str(error)
    except Exception as error:  # of somebody else's code
        return f"they cannot be read: {type(error).__name__}: {error}"


def _metrics(record: RunRecord) -> list[Metric]:
    """Those of the record's metrics that are here in the same version."""
    here = [METRICS.get(name) for name in sorted(record.metrics) if name in METRICS]
    return [metric for metric in here if metric.version == record.metrics[metric.name]]


def _unknown_metrics(record: RunRecord) -> Iterator[str]:
    for name in sorted(set(record.metrics) - {metric.name for metric in _metrics(record)}):
        yield f"scores by {name} v{record.metrics[name]}, which is not here in this version"


def _problems(results: ResultsFolder, record: RunRecord, data: _Data | None, counted: Counter[str]) -> Iterator[str]:
    """What is wrong with the scores of a record; those that were compared are counted as "scores"."""
    if data is not None:
        yield from _other_data(record, data)
    table = read_predictions(results.predictions_path(record.spec))
    parts = set(table.column("split").unique().to_pylist()) if is_earlier(table) else set()
    if parts - {"valid", "test"}:
        yield f"its predictions have rows of {', '.join(sorted(parts - {'valid', 'test'}))}; expected valid and test"
    for part in record.scores:
        yield from _part_problems(record, part, of_part(table, part), data=data, counted=counted)
    selected, valid = record.selection, record.scores["valid"].metrics[record.spec.metric]
    if selected is not None and not _same(selected.score, valid):
        yield f"it was selected by a validation score of {selected.score}, and the reported network has {valid}"


def read_predictions(path: Path) -> pa.Table:
    """A run's predictions, see `pbgraph.results.predictions.predictions_in`."""
    return predictions_in(content_of(path), path)


def cells_said(table: pa.Table, part: str, tasks: tuple[str, ...]) -> tuple[Cells, np.ndarray]:
    """The cells of a part as the predictions name them, and their scores (n, T), NaN where nothing is measured."""
    mine = of_part(table, part)
    cells = Cells.said_by(mine, tasks)
    return cells, cells.grid(mine)


def _molecule(table: pa.Table) -> str:
    """The column that says of which molecule a cell is."""
    return "mol_id" if is_earlier(table) else "row"


def _other_data(record: RunRecord, data: _Data) -> Iterator[str]:
    """Whether the data of today, their accepted rows and their split are those of the run."""
    molecules, origin = data.molecules, record.provenance
    facts = {
        "data": (origin.data_sha256, molecules.sha256),
        "rows": (origin.rows, len(molecules) + len(molecules.rejected)),
        "rejected rows": ([row.row for row in origin.rejected], [row.row for row in molecules.rejected]),
        "accepted rows": (origin.rows_sha256, sha256(canonical_json(molecules.mol_ids))),
        "split": (origin.split_sha256, data.split(record).sha256),
    }
    if said := differences(*({name: pair[side] for name, pair in facts.items()} for side in (0, 1))):
        yield f"what it says of its data is not what they are, {said}"


def _part_problems(
    record: RunRecord, part: str, table: pa.Table, *, data: _Data | None, counted: Counter[str]
) -> Iterator[str]:
    said = record.scores[part]
    if record.spec.external and not said.tasks and not len(table):
        return  # a part that another tool did not predict
    cells = data.cells_of(record, part) if data else Cells.said_by(table, tuple(said.tasks))
    if part != "test" and not is_earlier(table):  # of which no predictions are kept, so that labels alone are compared
        if data is not None:
            labels = split_score(Rows(cells.y, np.nan_to_num(cells.y)), cells.tasks, _metrics(record))
            yield from (f"{part} {line}" for line in _label_differences(said, labels, sizes=True))
        return
    if data is not None and (wrong := _other_cells(cells, table)) is not None:
        yield f"its predictions of the {part} rows {wrong}"
        return
    rows = Rows(cells.y, cells.grid(table), thresholds=record.thresholds)
    again = split_score(rows, cells.tasks, _metrics(record))
    both = [target for name, target in again.tasks.items() if name in said.tasks]
    counted["scores"] += len(again.metrics) + sum(len(target.metrics) for target in both)
    yield from (f"{part} {line}" for line in _metric_differences("", said.metrics, again.metrics))
    yield from (f"{part} {line}" for line in _label_differences(said, again, sizes=data is not None))
    for name, target in again.tasks.items():
        if name in said.tasks:
            lines = _metric_differences(f"{name} ", said.tasks[name].metrics, target.metrics)
            yield from (f"{part} {line}" for line in lines)


def _other_cells(cells: Cells, table: pa.Table) -> str | None:
    """In which way the rows of a file are not the measured cells, or None."""
    import pyarrow as pa

    molecules = cells.mol_id if is_earlier(table) else cells.row
    for name, expected in ((_molecule(table), molecules), ("task", cells.task)):
        column = table.column(name).combine_chunks()
        if column != pa.array(expected, column.type):
            return f"are {len(table)} cells, and not the {len(expected)} measured ones in their order ({name} differs)"
    if not np.array_equal(table.column("y").to_numpy(), cells.y[cells.row, cells.column]):
        return "are beside labels that the data do not have"
    return None


def _label_differences(said: SplitScore, again: SplitScore, *, sizes: bool) -> Iterator[str]:
    if sizes and said.size != again.size:
        yield f"rows: the record says {said.size}, there are {again.size}"
    if set(said.tasks) != set(again.tasks):
        yield f"tasks: the record has {', '.join(said.tasks)}; the data {', '.join(again.tasks)}"
        return
    for name, target in again.tasks.items():
        counts = [(mine.labelled, mine.positives) for mine in (said.tasks[name], target)]
        if counts[0] != counts[1] or not _same(said.tasks[name].sd, target.sd):
            yield f"{name} labels: the record says {said.tasks[name]}, the data have {target}"


def _metric_differences(
    where: str, said: Mapping[str, float | None], again: Mapping[str, float | None]
) -> Iterator[str]:
    for name, value in again.items():
        if not _same(said.get(name), value):
            yield f"{where}{label_of(name)}: the record says {said.get(name)}, its predictions give {value}"


def _same(a: Any, b: Any) -> bool:
    """Whether two scores are equal, rounding of a sum aside; None is a value of its own."""
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=ROUNDING))
