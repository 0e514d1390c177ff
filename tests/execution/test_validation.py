"""Runs of searches: the test rows stay unread."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from own_tables import write
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.execution import fitting, runner, validation
from pbgraph.execution.fitting import RunOptions
from pbgraph.methods.base import METHODS
from pbgraph.plans.plan import plan
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder
from pbgraph.splits import SPLITS

ARMS = [("gin", "backprop"), ("gin", "perforated"), ("random-forest", "fit")]


@pytest.fixture
def spec(tmp_path):
    """(model, method) -> a run on a small table of one's own, with seed 1."""
    table = describe(write(tmp_path), smiles="SMILES", targets=["toxic", "even"], id="name")
    keep(table, ResultsFolder(tmp_path / "results"))

    def make(model: str, method: str):
        return plan(to_dataset(table), "smoke", models=[model], methods=[method], seeds=[1]).specs[-1]

    yield make
    fitting._loaded.cache_clear()


@pytest.fixture
def options(tmp_path, monkeypatch) -> RunOptions:
    """Of runs that train all of themselves, whatever others have left."""
    monkeypatch.setattr(fitting, "_first_phases", lambda *_, **__: None)
    return RunOptions(tmp_path / "results")


def with_test_labels(monkeypatch, options: RunOptions, labels) -> None:
    """From now on every run finds these labels in its test rows; none that is kept for controls is returned instead."""
    shutil.rmtree(ResultsFolder(options.results).pairs_path, ignore_errors=True)
    prepare = fitting.prepare

    def prepared(spec, options):
        data = prepare(spec, options)
        y = data.store.y.copy()
        y[data.split.test] = labels
        return replace(data, store=replace(data.store, y=y))

    monkeypatch.setattr(runner, "prepare", prepared)


@pytest.mark.parametrize("arm", ARMS)
def test_labels_of_test_rows_change_nothing(spec, options, monkeypatch, arm):
    one = spec(*arm)
    before = validation.run(one, options)
    assert before.status == "finished"
    with_test_labels(monkeypatch, options, np.nan)
    blank = validation.run(one, options)
    with_test_labels(monkeypatch, options, np.inf)  # of which nothing could be made
    nonsense = validation.run(one, options)
    assert before.selection == blank.selection == nonsense.selection
    assert before.cost.parameters == blank.cost.parameters == nonsense.cost.parameters


def test_a_run_whose_test_rows_are_scored_would_be_noticed(spec, options, monkeypatch):
    """The test above could fail: a run that is scored differs."""
    one = spec("gin", "backprop")
    with_test_labels(monkeypatch, options, np.nan)
    assert runner._train_and_score(one, options, "cpu", lambda _: None).scores["test"].metrics["roc_auc"] is None


@pytest.mark.parametrize("arm", ARMS)
def test_a_method_is_handed_no_test_row_and_nobody_predicts_one(spec, options, monkeypatch, arm):
    one, seen = spec(*arm), []
    method = METHODS.get(arm[1])

    def watched(job):
        fitted = method.fit(job)
        seen.append((job.train, job.valid))

        def predict(_):
            raise AssertionError("nothing is to be predicted once the fit is over")

        return replace(fitted, predict=predict)

    monkeypatch.setitem(METHODS._loaded, arm[1], replace(method, fit=watched))
    assert validation.run(one, options).status == "finished"
    data = fitting.prepare(one, options)
    ((train, valid),) = seen
    assert np.array_equal(train.y, data.store.y[data.split.train], equal_nan=True)
    assert np.array_equal(valid.y, data.store.y[data.split.valid], equal_nan=True)


def test_the_score_is_that_of_the_run_itself(spec, options):
    one = spec("gin", "backprop")
    found, whole = validation.run(one, options), runner.run(one, options)
    assert found.selection == whole.selection
    assert found.selection.score == pytest.approx(whole.scores["valid"].metrics["roc_auc"])
    assert (found.cost.parameters, found.cost.epochs) == (whole.cost.parameters, whole.cost.epochs)
    assert found.provenance.numerics == whole.provenance.numerics


def test_what_controls_are_paired_with_is_trained_once_on_each_numeric_platform(spec, options, monkeypatch):
    one, trained = spec("gin", "perforated"), []
    train = validation._train
    monkeypatch.setattr(validation, "_train", lambda *said: trained.append(1) or train(*said))
    first = validation.run(one, options)
    assert validation.run(one, options) == first
    assert len(trained) == 1
    elsewhere = replace(first.provenance.numerics, name="another")
    monkeypatch.setattr(validation, "numeric_platform", lambda device: elsewhere)
    assert validation.run(one, options).selection == first.selection
    assert len(trained) == 2


def test_no_record_and_no_predictions_are_written(spec, options):
    one = spec("gin", "backprop")
    validation.run(one, options)
    kept = ResultsFolder(options.results).pairs_path / f"{one.key}.json"
    left = {path for path in options.results.rglob("*") if path.is_file()}
    assert {path for path in left if path.parent.name != "tasks"} == {kept}


def test_a_run_that_fails_says_why(spec, options, monkeypatch):
    one = spec("gin", "backprop")
    method = METHODS.get("backprop")

    def failing(job):
        raise ValueError("no")

    monkeypatch.setitem(METHODS._loaded, "backprop", replace(method, fit=failing))
    record = validation.run(one, options)
    assert (record.status, record.error) == ("failed", "ValueError: no")


def test_a_run_that_can_be_scored_nowhere_fails(spec, options, monkeypatch):
    one = spec("random-forest", "fit")
    splitter = SPLITS.get(one.split)

    def all_alike(molecules, seed):
        split = splitter.split(molecules, seed)
        rows = np.flatnonzero((molecules.y[:, 0] == 0) & np.isnan(molecules.y[:, 1]))
        return replace(split, valid=rows)

    monkeypatch.setitem(SPLITS._loaded, one.split, replace(splitter, split=all_alike))
    record = validation.run(one, options)
    assert record.status == "failed"
    assert "none of its tasks can be scored on the validation rows" in record.error
