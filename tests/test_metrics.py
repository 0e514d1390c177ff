from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from pbgraph.errors import UsageError
from pbgraph.execution.scoring import Rows, split_score
from pbgraph.metrics import (
    MAE,
    METRICS,
    RMSE,
    ROC_AUC,
    average_precision,
    label_of,
    mae,
    mean_over_tasks,
    metrics_of,
    r2,
    rmse,
    roc_auc,
    stands_unasked,
)

ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.integers(-4, 4)), min_size=1, max_size=40)
PAIRS = [(roc_auc, roc_auc_score), (average_precision, average_precision_score)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@given(ROWS)
def test_scores_agree_with_scikit_learn_with_ties_and_blanks(ours, theirs, rows):
    y, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    measured = ~np.isnan(y)
    if len(set(y[measured])) < 2:
        assert ours(y, score) is None
    else:
        assert ours(y, score) == pytest.approx(theirs(y[measured], score[measured]), abs=1e-12)


@pytest.mark.parametrize("score", [roc_auc, average_precision])
@given(ROWS)
def test_a_monotone_map_changes_nothing(score, rows):
    y, values = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    assert score(y, values) == score(y, np.exp(values / 3) * 7 - 2)


@pytest.mark.parametrize("score", [roc_auc, average_precision])
@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_the_type_of_scores_changes_nothing(score, kind, rows):
    y, values = np.array(rows).T
    assert score(y, values.astype(kind)) == score(y, values.astype(float))


@pytest.mark.parametrize("score", [roc_auc, average_precision])
def test_infinite_scores_are_ties(score):
    tied = score(np.array([1.0, 0.0]), np.array([np.inf, np.inf]))
    assert tied == score(np.array([0.0, 1.0]), np.array([np.inf, np.inf])) == 0.5


@pytest.mark.parametrize("score", [roc_auc, average_precision])
def test_a_measured_row_without_a_score_is_an_error_and_a_blank_one_is_not(score):
    with pytest.raises(ValueError, match="1 of 2 measured rows have the score NaN"):
        score(np.array([0.0, 1.0]), np.array([0.5, np.nan]))
    assert score(np.array([0.0, 1.0, np.nan]), np.array([0.1, 0.2, np.nan])) == 1.0
    with pytest.raises(ValueError, match="expected one equal length"):
        score(np.zeros(2), np.zeros(3))


def test_means_are_over_tasks_never_pooled():
    y = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, np.nan], [1.0, 1.0]])
    scores = np.array([[0.1, 10.0], [0.9, 20.0], [0.8, 0.0], [0.7, 30.0]])
    mean = mean_over_tasks(ROC_AUC, y, scores)
    assert mean == pytest.approx((roc_auc_score([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7]) + 0.5) / 2)
    with pytest.raises(ValueError, match="expected equal"):
        mean_over_tasks(ROC_AUC, y, scores[:3])


def test_a_task_with_one_class_is_named_and_left_out():
    y = np.array([[0.0, 1.0, np.nan], [1.0, 1.0, np.nan]])
    rows = Rows(y, np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]]))
    found = split_score(rows, ["a", "b", "c"], [ROC_AUC, METRICS.get("average_precision")])
    assert found.metrics == {"roc_auc": 1.0, "average_precision": 1.0}
    assert found.undefined("roc_auc") == ("b", "c")
    assert (found.tasks["b"].positives, found.tasks["b"].labelled, found.tasks["c"].labelled) == (2, 2, 0)
    assert mean_over_tasks(ROC_AUC, y[:, 1:], y[:, 1:]) is None


VALUES = st.lists(
    st.tuples(st.one_of(st.just(np.nan), st.integers(-50, 50).map(float)), st.floats(-50, 50)), min_size=1, max_size=40
)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(rmse, root_mean_squared_error), (mae, mean_absolute_error), (r2, r2_score)]
)
@given(VALUES)
def test_errors_agree_with_scikit_learn_with_blanks(ours, theirs, rows):
    y, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    measured = ~np.isnan(y)
    if len(set(y[measured])) < (2 if ours is r2 else 1):
        assert ours(y, score) is None
    else:
        assert ours(y, score) == pytest.approx(theirs(y[measured], score[measured]), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("metric", [RMSE, MAE], ids=lambda metric: metric.name)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=20), st.integers(0, 2**31))
def test_weighted_errors_count_rows_as_often_as_their_weight(metric, rows, seed):
    y, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    weights = np.random.default_rng(seed).integers(0, 3, (5, len(y)))
    for ours, counts in zip(metric.weighted(y, score, weights.astype(float)), weights, strict=True):
        repeated = metric.score(np.repeat(y, counts), np.repeat(score, counts))
        assert np.isnan(ours) if repeated is None else ours == pytest.approx(repeated, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("score", [rmse, mae, r2])
def test_errors_refuse_what_scores_refuse(score):
    with pytest.raises(ValueError, match="1 of 2 measured rows have the score NaN"):
        score(np.array([0.0, 1.0]), np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match="expected one equal length"):
        score(np.zeros(2), np.zeros(3))


def test_regression_tasks_are_scored_by_every_metric_of_their_kind():
    y = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan]])
    found = split_score(Rows(y, y + 1), ["a", "b", "c"], metrics_of("regression"))
    assert found.metrics == {"mae": 1.0, "r2": 0.0, "rmse": 1.0}
    assert (found.undefined("rmse"), found.undefined("r2")) == (("c",), ("b", "c"))
    assert (found.tasks["a"].sd, found.tasks["a"].labelled, found.tasks["a"].positives) == (1.0, 2, None)
    assert (found.tasks["c"].sd, found.tasks["c"].labelled) == (None, 0)


def test_metrics_are_registered_with_their_kind():
    assert METRICS.get("roc_auc") is ROC_AUC
    assert [one.name for one in metrics_of("classification") if one.takes == "scores"] == [
        "average_precision",
        "roc_auc",
    ]
    assert [metric.name for metric in metrics_of("regression")] == ["mae", "r2", "rmse"]
    assert (label_of("rmse"), label_of("of-nobody")) == ("RMSE", "of-nobody")
    assert [stands_unasked(name) for name in ("roc_auc", "mcc", "ece", "of-nobody")] == [True, False, False, True]


@pytest.mark.parametrize("takes", ["probabilities", "decisions"])
def test_regression_has_neither_probabilities_nor_decisions(takes):
    with pytest.raises(UsageError, match=f"'rmse' takes {takes}, which regression tasks do not have"):
        replace(RMSE, takes=takes)


def test_a_metric_that_cannot_be_loaded_is_called_by_its_name(monkeypatch):
    broken = EntryPoint("hits", "no_such_module:HITS", "pbgraph.metrics")
    monkeypatch.setitem(METRICS._entries, "hits", [broken])
    assert label_of("hits") == "hits"
