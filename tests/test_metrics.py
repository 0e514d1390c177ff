from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pbgraph.metrics import METRICS, ROC_AUC, average_precision, mean_over_tasks, roc_auc, split_score

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
    found = split_score(y, np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]]), ["a", "b", "c"])
    assert (found.roc_auc, found.average_precision, found.undefined) == (1.0, 1.0, ("b", "c"))
    assert (found.tasks["b"].positives, found.tasks["b"].labelled, found.tasks["c"].labelled) == (2, 2, 0)
    assert mean_over_tasks(ROC_AUC, y[:, 1:], y[:, 1:]) is None


def test_metrics_are_registered():
    assert METRICS.get("roc_auc") is ROC_AUC
