"""A run that another machine took over and finished first: its record stays, whatever comes of this one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_records import make_failure, make_record
from pbgraph.execution import runner
from pbgraph.execution.options import RunOptions
from pbgraph.files.locks import exclusive
from pbgraph.results.folder import ResultsFolder


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path)


@pytest.mark.parametrize("how", ["before its own predictions", "between its predictions and its record"])
def test_the_first_record_stays_and_is_returned(results, monkeypatch, how):
    theirs, ours = make_record("gin/backprop", 68, 0.8), make_record("gin/backprop", 68, 0.7)

    def train(spec, options, device, report):
        results.write(theirs)
        if how == "before its own predictions":
            raise FileExistsError(17, "File exists", "predictions")
        return ours

    monkeypatch.setattr(runner, "_train_and_score", train)
    record = runner.run(theirs.spec, RunOptions(results.root, leased=True))
    assert results.finished("tox21", theirs.key).digest() == theirs.digest()
    assert record.digest() == theirs.digest()
    assert len(results.records("tox21")) == 1


def test_a_lease_makes_waiting_for_a_lock_unnecessary(results, monkeypatch):
    made = make_record("gin/backprop", 68, 0.8)
    monkeypatch.setattr(runner, "_train_and_score", lambda *_: made)
    results.lock_path(made.spec).parent.mkdir()
    with exclusive(results.lock_path(made.spec)):
        runner.run(made.spec, RunOptions(results.root, leased=True))
    assert results.finished("tox21", made.key) is not None


def test_a_failure_of_a_run_that_is_finished_elsewhere_is_not_written(results, monkeypatch):
    theirs = make_record("gin/backprop", 68, 0.8)
    failed = replace(theirs, status="failed", error="x", scores={}, metrics={}, cost=None, selection=None, history=())

    def train(*_):
        results.write(theirs)
        return failed

    monkeypatch.setattr(runner, "_train_and_score", train)
    assert runner.run(theirs.spec, RunOptions(results.root, leased=True)).status == "finished"
    assert len(results.record_files("tox21", theirs.key)) == 1


def test_of_two_failures_written_at_once_the_first_stands(results, monkeypatch):
    theirs = make_failure("gin/backprop", 68, "theirs")
    failures = ResultsFolder.failures

    def before_theirs(folder, dataset):
        found = failures(folder, dataset)
        monkeypatch.setattr(ResultsFolder, "failures", failures)
        results.write(theirs)
        return found

    monkeypatch.setattr(ResultsFolder, "failures", before_theirs)
    assert runner.failed(theirs.spec, RunOptions(results.root, leased=True), "ours").error == "theirs"
    assert len(results.record_files("tox21", theirs.key)) == 1
