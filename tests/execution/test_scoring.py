"""How a run's parts are scored: thresholds by validation rows, test scores by what is kept, nothing by test labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pbgraph.decisions import thresholds_of
from pbgraph.execution import scoring
from pbgraph.execution.scoring import Rows, scored_parts, split_score
from pbgraph.metrics import METRICS, roc_auc

TASKS = ("a", "b", "one class")
TAKE_DECISIONS = ("balanced_accuracy", "f1", "mcc")


def draw(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n, 3) with blanks, the last task of one class, and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    y = (random.random((n, 3)) < 0.3).astype(np.float32)
    p = 1 / (1 + np.exp(-(random.normal(size=(n, 3)) + 1.5 * y - 1)))
    y[random.random((n, 3)) < 0.1] = np.nan
    y[:, 2] = np.where(np.isnan(y[:, 2]), np.nan, 0)
    return y, p


(VALID, VALID_P), (TEST, TEST_P) = draw(0), draw(1)


def scored(test: np.ndarray = TEST, valid: np.ndarray = VALID) -> scoring.Scored:
    return scored_parts(
        {"valid": valid, "test": test}, {"valid": VALID_P, "test": TEST_P}, TASKS, kind="classification"
    )


def thresholds_ignore_test_labels() -> None:
    """What must hold, and does not for a mutant."""
    found = scored().thresholds
    assert set(found) == set(TAKE_DECISIONS)
    for other in (1 - TEST, np.roll(TEST, 1, axis=0), np.full_like(TEST, np.nan)):
        assert scored(test=other).thresholds == found


def test_thresholds_come_from_validation_rows_alone():
    thresholds_ignore_test_labels()
    assert scored(valid=np.roll(VALID, 1, axis=0)).thresholds != scored().thresholds
    assert all(set(of_tasks) == {"a", "b"} for of_tasks in scored().thresholds.values())


def test_a_threshold_from_test_rows_is_noticed(monkeypatch):
    def peeking(_y, _p, tasks, metrics):
        return thresholds_of(current[0], TEST_P, tasks, metrics)

    current = [TEST]
    honest = scoring.scored_parts

    def told(labels, *args, **kwargs):
        current[0] = labels["test"]
        return honest(labels, *args, **kwargs)

    monkeypatch.setattr(scoring, "thresholds_of", peeking)
    monkeypatch.setitem(globals(), "scored_parts", told)
    with pytest.raises(AssertionError):
        thresholds_ignore_test_labels()


def test_decisions_are_scored_at_the_recorded_threshold():
    from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef

    theirs = {"mcc": matthews_corrcoef, "f1": f1_score, "balanced_accuracy": balanced_accuracy_score}
    found = scored()
    for name, score in theirs.items():
        values = []
        for t, task in enumerate(TASKS[:2]):
            measured = ~np.isnan(TEST[:, t])
            decided = found.kept[measured, t] >= found.thresholds[name][task]
            values.append(score(TEST[measured, t], decided))
            assert found.scores["test"].tasks[task].metrics[name] == pytest.approx(values[-1])
        assert found.scores["test"].metrics[name] == pytest.approx(np.mean(values))
        assert found.scores["test"].tasks["one class"].metrics[name] is None
    assert found.scores["test"].tasks["one class"].metrics["brier"] > 0


def test_the_file_gives_the_test_scores_and_selection_the_validation_score():
    logits = np.log(VALID_P / (1 - VALID_P))
    found = scored_parts(
        {"valid": VALID, "test": TEST},
        {"valid": VALID_P, "test": TEST_P},
        TASKS,
        kind="classification",
        selected_by=logits,
    )
    again = split_score(
        Rows(TEST, found.kept.astype(np.float64), thresholds=found.thresholds),
        TASKS,
        [METRICS.get(name) for name in found.metrics],
    )
    assert again == found.scores["test"]
    assert found.scores["valid"].tasks["a"].metrics["roc_auc"] == roc_auc(VALID[:, 0], logits[:, 0])
    assert set(found.scores["valid"].metrics) == {"average_precision", "roc_auc"}


def test_without_validation_rows_there_are_no_thresholds():
    found = scored_parts({"test": TEST}, {"test": TEST_P}, TASKS, kind="classification")
    assert found.thresholds == {}
    assert {name for name, value in found.scores["test"].metrics.items() if value is None} == set(TAKE_DECISIONS)
    assert found.scores["test"].metrics["ece"] is not None


def test_regression_keeps_values_and_selects_by_them():
    y = np.array([[1.0], [2.0], [np.nan]], np.float32)
    found = scored_parts({"valid": y, "test": y}, {"valid": y + 1, "test": y + 0.1}, ["a"], kind="regression")
    assert found.kept[:2, 0].tolist() == pytest.approx([1.1, 2.1])
    assert (found.thresholds, found.scores["valid"].metrics["rmse"]) == ({}, 1.0)
    assert found.scores["test"].metrics["rmse"] == pytest.approx(0.1)


def test_a_metric_of_somebody_elses_that_takes_decisions_is_scored_so(monkeypatch):
    from pbgraph.decisions import MCC

    called = replace(MCC, name="called", score=lambda y, decided: float(np.mean(decided[~np.isnan(y)])))
    monkeypatch.setattr(scoring, "metrics_of", lambda kind: [called])
    found = scored()
    at = found.thresholds["called"]["a"]
    assert found.scores["test"].tasks["a"].metrics["called"] == np.mean(found.kept[~np.isnan(TEST[:, 0]), 0] >= at)
