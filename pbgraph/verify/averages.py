"""Every average of runs, made again from what these predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pbgraph.execution.averaging import mean_of
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import cells_of_test, kept_scores
from pbgraph.results.records import RunRecord
from pbgraph.verify.findings import Findings, findings, guarded


def check_averages(results: ResultsFolder, records: Sequence[RunRecord]) -> Findings:
    """Compare these finished records, as far as they are averages, with the runs that they name."""
    by_key = {record.key: record for record in records}
    averages = [record for record in records if record.provenance.mean_of]
    lacking = {
        record.key: absent
        for record in averages
        if (absent := [key for key in record.provenance.mean_of if key not in by_key])
    }
    whole = [record for record in averages if record.key not in lacking]
    wrong = [line for record in whole for line in guarded(_named(record), _problems, results, record, by_key)]
    unchecked = [
        f"{_named(by_key[key])} was not averaged again: {', '.join(absent)} cannot be read here"
        for key, absent in lacking.items()
    ]
    return findings({"averages": len(whole)} if averages else {}, wrong, unchecked)


def _problems(results: ResultsFolder, record: RunRecord, by_key: Mapping[str, RunRecord]) -> Iterator[str]:
    kind = dataset_of(record.spec.task, results).kind
    runs = [by_key[key] for key in record.provenance.mean_of]
    if strange := [run.key for run in runs if _rows_of(run) != _rows_of(record)]:
        yield f"{_named(record)} is an average of {', '.join(strange)}, of another seed or split"
        return
    y, mean = mean_of(results, runs, kind)
    mine = cells_of_test(results, record)
    same = np.array_equal(mine.column("y").to_numpy(), y)
    if not same or not np.array_equal(mine.column("score").to_numpy(), kept_scores(mean, kind).astype(np.float64)):
        yield f"{_named(record)} is not the mean of runs {' and '.join(record.provenance.mean_of)}; average them again"


def _rows_of(record: RunRecord) -> tuple[str, int | None, int]:
    """By what its test rows, and the initialisation, are told from others."""
    return record.spec.split, record.spec.split_seed, record.spec.seed


def _named(record: RunRecord) -> str:
    return f"{record.spec.arm} seed {record.spec.seed} ({record.key})"
