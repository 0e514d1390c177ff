"""Runs as MLflow has them: all that a record says, and nothing twice."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from made_records import PROVENANCE, make_record
from pbgraph import bench
from pbgraph.errors import UsageError
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.report import tracking
from pbgraph.report.tracking import export_to_mlflow, metrics_of, params_of, tags_of
from pbgraph.results.folder import ResultsFolder


@pytest.fixture
def record():
    made = make_record("gin/backprop:hidden=64", 68, 0.75, provenance=replace(PROVENANCE, packages={"torch": "2.13"}))
    tasks = {"NR-AR": TaskScore({"roc_auc": 0.7}, 100, 9), "log(S)": TaskScore({"roc_auc": None}, 100, 0)}
    return replace(made, scores={**made.scores, "test": SplitScore(100, {"roc_auc": 0.75}, tasks)})


def test_all_that_a_record_says_is_there(record):
    metrics = {name: (value, step) for name, value, step in metrics_of(record) if not name.startswith("epoch/")}
    assert metrics["test_roc_auc"] == (0.75, 0)
    assert metrics["test_roc_auc/NR-AR"] == (0.7, 0)
    assert "test_roc_auc/log_S_" not in metrics
    assert metrics["seconds"] == (60.0, 0)
    steps = [(value, step) for name, value, step in metrics_of(record) if name == "epoch/valid_roc_auc"]
    assert steps == [(line.valid, line.epoch) for line in record.history]
    params = params_of(record)
    assert (params["config.hidden"], params["settings.epochs"], params["seed"], params["model"]) == (
        "64",
        "3",
        "68",
        "gin",
    )
    tags = tags_of(record)
    assert tags["mlflow.source.git.commit"] == tags["pbgraph_commit"] == PROVENANCE.commit
    assert (tags["pbgraph_arm"], tags["pbgraph_package.torch"]) == ("gin/backprop:hidden=64", "2.13")


def test_without_mlflow_one_line_says_how_it_is_got(tmp_path, monkeypatch, capsys, record):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    ResultsFolder(tmp_path / "results").write(record)
    words = ["export", "tox21", "--results", str(tmp_path / "results"), "--mlflow", str(tmp_path / "tracked")]
    assert bench.main(words) == 2
    assert "needs the package mlflow, which is not installed: run pip install -e '.[mlflow]'" in capsys.readouterr().err
    assert not (tmp_path / "tracked").exists()


@pytest.fixture
def mlflow():
    return pytest.importorskip("mlflow", reason="mlflow is not installed: nothing was exported to it")


@pytest.mark.lengthy
def test_an_export_is_read_by_mlflow_and_adds_nothing_twice(tmp_path, mlflow, monkeypatch, record):
    failed = replace(make_record("gin/backprop", 69, 0.7), status="failed", scores={}, cost=None, error="no memory")
    folder = tmp_path / "a folder"
    assert export_to_mlflow([record], folder) == 1
    assert export_to_mlflow([record, failed], folder) == 1
    assert export_to_mlflow([record, failed], folder) == 0
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tox21").experiment_id
    runs = {run.data.tags["pbgraph_key"]: run for run in client.search_runs([experiment])}
    assert runs.keys() == {record.key, failed.key}
    assert (runs[record.key].info.status, runs[failed.key].info.status) == ("FINISHED", "FAILED")
    assert runs[record.key].info.end_time - runs[record.key].info.start_time == 60_000
    assert runs[record.key].data.metrics["test_roc_auc/NR-AR"] == 0.7
    history = client.get_metric_history(runs[record.key].info.run_id, "epoch/train_loss")
    assert [(one.step, one.value) for one in history] == [(line.epoch, line.train_loss) for line in record.history]
    assert runs[failed.key].data.tags["pbgraph_error"] == "no memory"

    other = make_record("gin/backprop", 70, 0.7)  # an export that is stopped half-way is done again
    with monkeypatch.context() as patched:
        patched.setattr(tracking, "params_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_to_mlflow([other], folder)
    assert export_to_mlflow([record, failed, other], folder) == 1
    assert len(client.search_runs([experiment])) == 3


@pytest.mark.lengthy
def test_a_folder_that_cannot_hold_a_database_is_named(tmp_path, mlflow, record):
    (tmp_path / "mlflow.db").write_text("no database")
    with pytest.raises(UsageError, match="cannot be written by MLflow"):
        export_to_mlflow([record], tmp_path)
