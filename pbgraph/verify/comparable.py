"""A record and a rerun of it, in one form: a rerun is of today's, and its record may be of an earlier one.

What an earlier record says of its test rows is made anew from its file of predictions, as a run of today scores and
keeps them. What its dendrites learnt has digits where today's has bits: it is compared as far as both go.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from pbgraph.execution.scoring import Rows, split_score
from pbgraph.metrics import METRICS, SplitScore
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import DIGEST, agree, insight_path, read_insight
from pbgraph.results.predictions import as_kept, is_earlier, of_part
from pbgraph.results.records import RunRecord
from pbgraph.verify.scores import Cells, read_predictions


def comparable(
    results: ResultsFolder, record: RunRecord, scratch: ResultsFolder, *, new: RunRecord
) -> tuple[RunRecord, RunRecord]:
    """Both with the metrics that both have in one version, the record in the form of the rerun.

    scratch  where the rerun is
    """
    shared = [name for name, version in record.metrics.items() if new.metrics.get(name) == version]
    mine, theirs = (_scored_by(run, shared) for run in (record, new))
    if new.status == "failed":
        return mine, theirs
    mine = _with_bits_of(results, mine, scratch, theirs=theirs)
    return _of_today(results, mine, scratch, theirs=theirs), theirs


def _scored_by(record: RunRecord, metrics: Collection[str]) -> RunRecord:
    return replace(
        record,
        metrics={name: version for name, version in record.metrics.items() if name in metrics},
        thresholds={name: by_task for name, by_task in record.thresholds.items() if name in metrics},
        scores={part: _only(score, metrics) for part, score in record.scores.items()},
    )


def _only(score: SplitScore, metrics: Collection[str]) -> SplitScore:
    tasks = {
        name: replace(task, metrics={metric: value for metric, value in task.metrics.items() if metric in metrics})
        for name, task in score.tasks.items()
    }
    means = {metric: value for metric, value in score.metrics.items() if metric in metrics}
    return replace(score, metrics=means, tasks=tasks)


def _of_today(results: ResultsFolder, record: RunRecord, scratch: ResultsFolder, *, theirs: RunRecord) -> RunRecord:
    """The record as today's form has it; as it is, where it has that form, or is not of the cells of the rerun."""
    before, now = (read_predictions(place.predictions_path(record.spec)) for place in (results, scratch))
    if not is_earlier(before) or is_earlier(now):
        return record
    before = of_part(before, "test")
    if any(before.column(name).to_pylist() != now.column(name).to_pylist() for name in ("task", "y")):
        return record
    kind, tasks = METRICS.get(record.spec.metric).kind, tuple(theirs.scores["test"].tasks)
    kept = as_kept(record.spec, before.column("score").to_numpy(), kind).astype(np.float64)
    cells = Cells.said_by(now, tasks)
    grid = np.full(cells.y.shape, np.nan)
    grid[cells.row, cells.column] = kept
    test = split_score(Rows(cells.y, grid), tasks, [METRICS.get(name) for name in record.metrics])
    same = np.array_equal(kept, now.column("score").to_numpy())
    return replace(
        record,
        scores={**record.scores, "test": replace(test, size=record.scores["test"].size)},
        history=tuple(line.rounded for line in record.history),
        predictions_sha256=theirs.predictions_sha256 if same else record.predictions_sha256,
    )


def _with_bits_of(results: ResultsFolder, record: RunRecord, scratch: ResultsFolder, *, theirs: RunRecord) -> RunRecord:
    """The record with the digest of the rerun's insight, if its own is of an earlier form and says the same."""
    digests = record.details.get(DIGEST), theirs.details.get(DIGEST)
    if None in digests or digests[0] == digests[1]:
        return record
    if insight_path(results, record).suffix == insight_path(scratch, theirs).suffix:
        return record
    if not agree(read_insight(results, record), read_insight(scratch, theirs)):
        return record
    return replace(record, details={**record.details, DIGEST: digests[1]})
