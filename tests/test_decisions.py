"""Decisions at thresholds, and the metrics that take them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef

from pbgraph.decisions import BALANCED_ACCURACY, F1, MCC, balanced_accuracy, f1, matthews, threshold, thresholds_of
from pbgraph.metrics import ROC_AUC

ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=40)
SCORED = st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.integers(0, 8)), min_size=1, max_size=30)
PAIRS = [(matthews, matthews_corrcoef), (f1, f1_score), (balanced_accuracy, balanced_accuracy_score)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@given(ROWS)
def test_scores_agree_with_scikit_learn_with_blanks(ours, theirs, rows):
    y, decided = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    measured = ~np.isnan(y)
    if len(set(y[measured])) < 2:
        assert ours(y, decided) is None
    else:
        assert ours(y, decided) == pytest.approx(theirs(y[measured], decided[measured]), abs=1e-12)


@pytest.mark.parametrize("metric", [MCC, F1, BALANCED_ACCURACY], ids=lambda metric: metric.name)
@given(SCORED)
def test_no_other_threshold_is_better_on_the_validation_rows(metric, rows):
    y, p = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    p = p / 8
    found = threshold(y, p, metric)
    if len(set(y[~np.isnan(y)])) < 2:
        assert found is None
        return
    tried = {at: metric.score(y, (p >= at).astype(float)) for at in np.linspace(0, 1, 17)}
    assert max(tried.values()) <= metric.score(y, (p >= found).astype(float)) + 1e-12


def test_the_threshold_of_a_few_rows_and_of_a_target_without_both_classes():
    y = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [1.0, np.nan]])
    p = np.array([[0.1, 0.5], [0.4, 0.5], [0.3, 0.5], [0.9, 0.5], [0.8, 0.9]])
    assert thresholds_of(y, p, ["a", "b"], [ROC_AUC, F1]) == {"f1": {"a": 0.3}}  # f1 0.8 there, 2/3 at 0.8
    assert threshold(y[:, 0], p[:, 0], BALANCED_ACCURACY) == 0.8  # 3/4 at both: the largest
