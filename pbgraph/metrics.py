"""Scores of predictions: per task, blank labels masked, and the mean over tasks that are defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.records import SplitScore, TaskScore
from pbgraph.registry import Registry


@dataclass(frozen=True)
class Metric:
    """A score of one task; larger is better if `larger_is_better`.

    score  (y (n,) with NaN = not measured, scores (n,)) -> value, or None where it is undefined
    """

    name: str
    version: int
    score: Callable[[np.ndarray, np.ndarray], float | None]
    larger_is_better: bool
    source: str


def roc_auc(y: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the ROC curve of one task; ties count one half.

    y      (n,) float, 0 or 1, NaN = not measured (row ignored)
    score  (n,) float, any monotone scale
    Returns a value in [0, 1], or None unless both classes occur.
    Raises ValueError if shapes differ or a measured row's score is NaN.
    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747
    """
    counts = _cumulative(y, score)
    if counts is None:
        return None
    positives, negatives = counts
    steps = np.diff(negatives, prepend=0)  # negatives within each group of equal scores
    above = positives - np.diff(positives, prepend=0) / 2
    return float((steps * above).sum() / (positives[-1] * negatives[-1]))


def average_precision(y: np.ndarray, score: np.ndarray) -> float | None:
    """Mean precision at each gain of recall, Σ_k (R_k - R_{k-1}) P_k; equal scores are one step.

    Arguments, undefined cases and errors as for `roc_auc`.
    Source: scikit-learn's definition, after Manning et al. 2008, Introduction to Information Retrieval, ch. 8
    """
    counts = _cumulative(y, score)
    if counts is None:
        return None
    positives, negatives = counts
    precision = positives / (positives + negatives)
    return float((np.diff(positives, prepend=0) * precision).sum() / positives[-1])


def _cumulative(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Positives and negatives at or above each distinct score, from the highest score down; None for one class."""
    y, score = np.asarray(y), np.asarray(score)
    if y.shape != score.shape or y.ndim != 1:
        raise ValueError(f"y has shape {y.shape} and score {score.shape}; expected one equal length")
    measured = ~np.isnan(y)
    y, score = y[measured], score[measured]
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} of {len(score)} measured rows have the score NaN")
    positive = y > 0.5
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(score[order][1:] != score[order][:-1]), len(order) - 1)
    positives = np.cumsum(positive[order])[ends]
    return positives, ends + 1 - positives


def mean_over_tasks(metric: Metric, y: np.ndarray, scores: np.ndarray) -> float | None:
    """Mean of a metric over the tasks where it is defined; y and scores (n, T). None if it is defined nowhere."""
    if y.shape != scores.shape or y.ndim != 2:
        raise ValueError(f"y has shape {y.shape} and scores {scores.shape}; expected equal (n, tasks)")
    values = [metric.score(y[:, t], scores[:, t]) for t in range(y.shape[1])]
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def split_score(y: np.ndarray, scores: np.ndarray, tasks: Sequence[str]) -> SplitScore:
    """Both metrics of every task and their means; y and scores (n, T).

    A task with one class only is named as undefined and left out of the means.
    """
    by_task = {name: _task_score(y[:, t], scores[:, t]) for t, name in enumerate(tasks)}
    return SplitScore(
        size=len(y),
        roc_auc=mean_over_tasks(ROC_AUC, y, scores),
        average_precision=mean_over_tasks(AVERAGE_PRECISION, y, scores),
        undefined=tuple(name for name, score in by_task.items() if score.roc_auc is None),
        tasks=by_task,
    )


def _task_score(y: np.ndarray, score: np.ndarray) -> TaskScore:
    return TaskScore(
        roc_auc=roc_auc(y, score),
        average_precision=average_precision(y, score),
        positives=int(np.nansum(y)),
        labelled=int((~np.isnan(y)).sum()),
    )


ROC_AUC = Metric("roc_auc", 1, roc_auc, True, "doi:10.1148/radiology.143.1.7063747")
AVERAGE_PRECISION = Metric("average_precision", 1, average_precision, True, "scikit-learn, average_precision_score")

METRICS: Registry[Metric] = Registry("metric", "pbgraph.metrics", Metric)
