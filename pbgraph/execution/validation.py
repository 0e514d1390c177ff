"""From a RunSpec to its score on the validation rows, for searches: the test rows stay unread, no record is written.

Stands where `pbgraph.execution.runner` does for an engine's workers. What comes out is a record in memory, without
scores or predictions: its selection holds the score by which its epoch was chosen. It is kept in a folder of its own
while its trial is in progress, and beyond that where controls are paired with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pbgraph.errors import PbgraphError
from pbgraph.execution.fitting import RunOptions, device_of
from pbgraph.execution.numerics import numeric_platform
from pbgraph.execution.runner import attempted, exclusive_run, failure, trained
from pbgraph.methods.base import Report
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.pairs import keep, kept
from pbgraph.results.records import RunRecord, RunSpec


def run(
    spec: RunSpec, options: RunOptions, *, device: str = "cpu", report: Callable[[Report], None] = lambda _: None
) -> RunRecord:
    """Train once, or go on where that was left; waits while another process trains the same. Errors as for a run."""
    results = ResultsFolder(options.results)
    with exclusive_run(results.lock_path(spec), report):
        record = kept(results.pairs_path, spec.key)
        if record is None or record.provenance.numerics != numeric_platform(device_of(spec, device)):
            mine = replace(options, pairs=results.pairs_path)
            record = attempted(_train, spec, mine, device=device, report=report)
            if record.status == "finished":
                keep(results.pairs_path, record)
        results.drop_checkpoints(spec)
    return record


def failed(spec: RunSpec, options: RunOptions, error: str, *, device: str = "cpu") -> RunRecord:
    """The record of a run whose worker was killed; it says nothing of the data."""
    return failure(spec, options, error, data=None, device=device_of(spec, device))


def _train(spec: RunSpec, options: RunOptions, device: str, report: Callable[[Report], None]) -> RunRecord:
    with trained(spec, options, device=device, report=report) as outcome:
        if outcome.fitted.selection.score is None:
            raise PbgraphError("none of its tasks can be scored on the validation rows; choose another split or seed")
        return RunRecord(
            spec=spec,
            status="finished",
            provenance=outcome.provenance(spec),
            selection=outcome.fitted.selection,
            cost=outcome.cost(),
            history=outcome.fitted.history,
            details=outcome.fitted.details,
        )
