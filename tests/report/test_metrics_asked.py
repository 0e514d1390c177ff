"""Metrics that stand in records and in tables only for whoever asks."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from made_records import arms, make_record, make_regression_record
from pbgraph import api, bench
from pbgraph.datasets.base import DATASETS
from pbgraph.errors import UsageError
from pbgraph.metrics import METRICS, SplitScore, TaskScore
from pbgraph.plans.resolve import selecting
from pbgraph.report.comparisons import compare
from pbgraph.report.per_target import draw_heat_map, per_target, to_markdown
from pbgraph.report.tables import make_table
from pbgraph.results.folder import ResultsFolder

ARMS = arms("trimnet/backprop", "gin/backprop")


def scored(arm, seed: int, mcc: float | None):
    """A run that was scored by MCC too; its calibration error is a tenth of that."""
    record = make_record(arm, seed, 0.8)
    metrics = {**record.scores["test"].metrics, "mcc": mcc, "ece": mcc and mcc / 10}
    test = SplitScore(100, metrics, {"a": TaskScore(metrics, 100, 10)})
    versions = {**record.metrics, "mcc": 1, "ece": 1}
    return replace(record, scores={**record.scores, "test": test}, metrics=versions)


RECORDS = [scored(ARMS[0], 1, 0.4), scored(ARMS[0], 2, 0.5), scored(ARMS[1], 1, 0.3), make_record(ARMS[1], 2, 0.8)]


def table(metrics=None, records=RECORDS):
    return make_table(records, arms=ARMS, seeds=(1, 2), metrics=metrics)


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    folder = ResultsFolder(tmp_path)
    for record in RECORDS:
        folder.write(record)
    folder.write(make_regression_record(ARMS[0], 1, 0.7))
    return folder


def test_a_table_shows_what_takes_scores_unless_asked():
    assert table().metrics == table(records=RECORDS[:3]).metrics == ("roc_auc", "average_precision")
    assert table(["mcc", "roc_auc", "mcc"]).metrics == ("roc_auc", "mcc")


def test_a_mean_is_of_all_runs_of_a_row_or_of_none():
    first, second = table(["mcc"]).rows
    assert first.metrics["mcc"].mean == pytest.approx(0.45)
    assert second.metrics["mcc"] is None
    assert second.metrics["roc_auc"].mean == 0.8
    of_other_version = [replace(RECORDS[0], metrics={**RECORDS[0].metrics, "mcc": 2}), *RECORDS[1:]]
    assert table(["mcc"], of_other_version).rows[0].metrics["mcc"] is None


def test_by_target_people_are_shown_what_they_asked_for(tmp_path):
    view = per_target(table(["ece", "mcc"]), RECORDS, "ece")
    text = to_markdown(view)
    assert "tox21: test ECE (smaller is better)" in text
    assert "| a " in text
    assert "0.0450 ± 0.0071" in text
    assert view.targets[0].scores[ARMS[1]]["ece"] is None
    draw_heat_map(view, path := tmp_path / "map.svg")
    assert "test ECE (smaller is better)" in path.read_text()


def test_from_the_command_line(results, capsys):
    def shown(*words: str) -> str:
        assert bench.main(["table", "tox21", "--seeds", "1-2", "--results", str(results.root), *words]) == 0
        return capsys.readouterr().out

    assert "MCC" not in shown()
    text = shown("--metric", "mcc", "ece")
    assert "ROC-AUC |" in text
    assert "0.4500 ± 0.0707" in text
    assert "- MCC is not known of every run, as of earlier ones, or undefined: gin/backprop" in text
    rows = list(csv.DictReader(io.StringIO(shown("--metric", "mcc", "--format", "csv"))))
    assert [row["mcc"] for row in rows] == ["", "0.45"] or [row["mcc"] for row in rows] == ["0.45", ""]
    assert json.loads(shown("--metric", "mcc", "--format", "json"))["metrics"] == ["roc_auc", "mcc"]
    assert "test MCC" in shown("--metric", "mcc", "--per-target")
    assert "0.4500" in api.read(results.root, "tox21").table(seeds=[1, 2], metrics=["mcc"])


def test_two_arms_are_compared_by_a_metric_that_selected_nothing(results, capsys):
    results.write(scored(ARMS[1], 3, 0.35))
    results.write(scored(ARMS[0], 3, 0.41))
    arms_of = [str(arm) for arm in ARMS]

    def said(*words: str) -> str:
        code = bench.main(["compare", "tox21", *arms_of, "--results", str(results.root), *words])
        out, err = capsys.readouterr()
        return out if code == 0 else f"{code} {err}"

    text = said("--seeds", "1,3", "--metric", "mcc")
    assert "|    3 |           0.4100 |       0.3500 |    +0.0600 |" in text
    assert "mean difference            +0.0800" in text
    assert "bootstrap   -" in text
    assert "no plan has this comparison by MCC, which selected nothing" in text
    assert "incomplete: 2 of 3 pairs" in said("--seeds", "1-3", "--metric", "mcc")
    assert "share no finished seed that was scored by mcc among 2 " in said("--seeds", "2", "--metric", "mcc")
    assert said("--seeds", "1,3", "--metric", "roc_auc") == said("--seeds", "1,3")


def test_what_is_compared_is_judged_by_the_margin_of_its_metric(results):
    runs = api.read(results.root, "tox21")
    of_mcc, of_ece = (runs.compare(*map(str, ARMS), seeds=[1], metric=name) for name in ("mcc", "ece"))
    assert (of_mcc.metric, of_mcc.mean) == ("mcc", pytest.approx(0.1))
    assert (of_mcc.margin.larger_is_better, of_ece.margin.larger_is_better) == (True, False)
    assert of_mcc.margin.relevant == METRICS.get("mcc").relevant == 0.02  # 0.01 of ROC-AUC
    changed = replace(RECORDS[0], metrics={**RECORDS[0].metrics, "mcc": 2})
    with pytest.raises(UsageError, match=r"scored by versions 1 and 2 of mcc, which cannot be compared"):
        compare([changed, *RECORDS[1:]], *ARMS, seeds=[1], metric="mcc")
    with pytest.raises(UsageError, match="metric rmse is of regression tasks"):
        runs.compare(*map(str, ARMS), metric="rmse")


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        ("esol", ["mcc"], "metric mcc is of classification tasks, and esol is a regression task; it has mae, r2, rmse"),
        ("tox21", ["rmse"], "metric rmse is of regression tasks, and tox21 is a classification task; it has"),
        ("tox21", ["mccc"], "unknown metric 'mccc'; did you mean 'mcc'?"),
        ("tox21", ["mcc", "--study", "compression"], "--metric is of one preset's table"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(task, words, said, results, capsys):
    assert bench.main(["table", task, "--results", str(results.root), "--metric", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(("name", "takes"), [("mcc", "decisions"), ("ece", "probabilities")])
def test_runs_are_selected_by_what_takes_scores(name, takes):
    with pytest.raises(UsageError, match=f"selected by {name}, which takes {takes}; name a metric that takes scores"):
        selecting(replace(DATASETS.get("tox21"), metric=name))
