"""Scores of predictions: per task, blank labels masked, and the mean over tasks that are defined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.registry import Registry

Kind = Literal["classification", "regression"]
Takes = Literal["scores", "probabilities", "decisions"]
Thresholds = Mapping[str, Mapping[str, float]]  # metric -> task -> the least probability that is decided to be class 1


@dataclass(frozen=True)
class Metric:
    """A score of one task; larger is better if `larger_is_better`.

    kind      of the tasks that it scores: labels 0 and 1, or numbers
    score     (y (n,) with NaN = not measured, scores (n,)) -> value, or None where it is undefined
    takes     of classification, what `score` is given: "scores" on any increasing scale; "probabilities" of class 1; or
              "decisions", 0 or 1, by a threshold from the validation rows, see `pbgraph.decisions`. Runs are selected,
              and arms compared, by a metric that takes scores; the others stand in records, and in tables that ask
    label     what it is called in tables; its name unless given
    relevant  the smallest difference that matters in practice, declared before any run: in the metric's own unit, or if
              `in_target_units` in standard deviations of the targets, since no number suits every unit
    weighted  (y (n,), scores (n,), weights (m, n) >= 0), nothing blank -> (m,): the score where row i counts
              weights[:, i] times, NaN where it is undefined. None: the bootstrap repeats rows instead, which is slower
    """

    name: str
    version: int
    kind: Kind
    score: Callable[[np.ndarray, np.ndarray], float | None]
    larger_is_better: bool
    source: str
    label: str = ""
    relevant: float = 0.01
    in_target_units: bool = False
    weighted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    takes: Takes = "scores"

    def __post_init__(self) -> None:
        """Raises UsageError for what no run has: probabilities or decisions of numbers."""
        if self.kind == "regression" and self.takes != "scores":
            raise UsageError(f"metric {self.name!r} takes {self.takes}, which regression tasks do not have")


@dataclass(frozen=True)
class TaskScore:
    """Scores of one task in one split.

    metrics    name -> value of every metric registered for the task's kind; None where it is undefined
    labelled   measured rows
    positives  of classification: rows with label 1
    sd         of regression: standard deviation of the measured targets; None if there is none
    """

    metrics: Mapping[str, float | None]
    labelled: int
    positives: int | None = None
    sd: float | None = None


@dataclass(frozen=True)
class SplitScore:
    """Scores of one split: per task, and of each metric the mean over the tasks where it is defined."""

    size: int
    metrics: Mapping[str, float | None]
    tasks: Mapping[str, TaskScore]

    def undefined(self, metric: str) -> tuple[str, ...]:
        """The tasks that the mean of this metric leaves out."""
        return tuple(name for name, task in self.tasks.items() if task.metrics.get(metric) is None)


def roc_auc(y: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the ROC curve of one task; ties count one half.

    y      (n,) float, 0 or 1, NaN = not measured (row ignored)
    score  (n,) numbers of any type, on any monotone scale
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
    y, score = measured_rows(y, score)
    positive = y > 0.5
    if positive.all() or not positive.any():
        return None
    order = np.argsort(score, kind="stable")[::-1]  # of unsigned integers the negative is none
    ends = np.append(np.flatnonzero(score[order][1:] != score[order][:-1]), len(order) - 1)
    positives = np.cumsum(positive[order])[ends]
    return positives, ends + 1 - positives


def measured_rows(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The measured rows of both. Raises ValueError if shapes differ or a measured row's score is NaN."""
    y, score = np.asarray(y), np.asarray(score)
    if y.shape != score.shape or y.ndim != 1:
        raise ValueError(f"y has shape {y.shape} and score {score.shape}; expected one equal length")
    measured = ~np.isnan(y)
    y, score = y[measured], score[measured]
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} of {len(score)} measured rows have the score NaN")
    return y, score


def rmse(y: np.ndarray, score: np.ndarray) -> float | None:
    """Root of the mean squared error of one task, in the unit of y.

    y      (n,) float, NaN = not measured (row ignored)
    score  (n,) float, predicted values
    None if nothing is measured. Raises ValueError if shapes differ or a measured row's score is NaN.
    """
    error = _errors(y, score)
    return float(np.sqrt(np.square(error).mean())) if len(error) else None


def mae(y: np.ndarray, score: np.ndarray) -> float | None:
    """Mean absolute error of one task, in the unit of y; arguments, undefined cases and errors as for `rmse`."""
    error = _errors(y, score)
    return float(np.abs(error).mean()) if len(error) else None


def r2(y: np.ndarray, score: np.ndarray) -> float | None:
    """Coefficient of determination, 1 - Σ (y - score)² / Σ (y - ȳ)²: not the square of a correlation; it may be < 0.

    Arguments and errors as for `rmse`. None unless two different values are measured.
    Source: scikit-learn's definition
    """
    error, y = _errors(y, score), np.asarray(y, np.float64)
    y = y[~np.isnan(y)]
    if not len(y) or (y == y[0]).all():
        return None
    return float(1 - np.square(error).sum() / np.square(y - y.mean()).sum())


def _errors(y: np.ndarray, score: np.ndarray) -> np.ndarray:
    y, score = measured_rows(y, score)
    error: np.ndarray = score.astype(np.float64) - y.astype(np.float64)
    return error


def weighted_roc_auc(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ROC-AUC under many weightings of the rows at once; ties count one half.

    y, score (n,) without blanks; weights (m, n) >= 0, quickest as the transpose of an array (n, m). Returns (m,), NaN
    where a class has no weight. Weights of the larger class are added up in order of the scores, and looked at where
    the smaller has rows; of weights that are whole numbers all sums are exact, of others rounded.
    """
    positive, by_row = y > 0.5, weights.T
    few_are_positive = 2 * np.count_nonzero(positive) <= len(y)
    few = positive if few_are_positive else ~positive
    weight, others = by_row[few], _in_order(score, ~few)
    below, up_to, every = _added_up(score[others], by_row[others], score[few])
    found, pairs = (weight * (below + up_to)).sum(0) / 2, weight.sum(0) * every
    return divided(found if few_are_positive else np.maximum(pairs - found, 0.0), pairs)


def weighted_average_precision(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision under many weightings of the rows at once; arguments and result as for `weighted_roc_auc`."""
    down, by_row = -np.unique(score, return_inverse=True)[1], weights.T  # ranks, since scores may be of any type
    right, wrong = _in_order(down, y > 0.5), _in_order(down, ~(y > 0.5))
    weight = by_row[right]
    _, found, every = _added_up(down[right], weight, down[right])  # from the highest score to that of each positive
    _, beside, others = _added_up(down[wrong], by_row[wrong], down[right])
    precision = np.divide(found, found + beside, out=np.zeros_like(found), where=found > 0)
    return divided((weight * precision).sum(0), np.where(others > 0, every, 0.0))


def _in_order(score: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Numbers of the rows among which an order is asked for, from the lowest score up."""
    rows = np.flatnonzero(among)
    return rows[np.argsort(score[rows], kind="stable")]


def _added_up(score: np.ndarray, weights: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of weights (n, m) of rows whose score is below each of (k,) values, those of at most each, and of all rows.

    score  (n,), ascending. Returns arrays of (k, m), (k, m) and (m,).
    """
    counts = np.stack([np.searchsorted(score, at, side="left"), np.searchsorted(score, at, side="right")])
    ends, place = np.unique(counts, return_inverse=True)
    sums, so_far, start = np.empty((len(ends), weights.shape[1])), np.zeros(weights.shape[1]), 0
    for number, end in enumerate(ends):
        so_far += weights[start:end].sum(0)
        sums[number], start = so_far, end
    below, up_to = sums[place.reshape(counts.shape)]
    return below, up_to, so_far + weights[start:].sum(0)


def weighted_rmse(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """RMSE under many weightings of the rows at once; arguments as for `weighted_roc_auc`, NaN without any weight."""
    mean: np.ndarray = divided(weights @ np.square(_errors(y, score)), weights.sum(1))
    return np.asarray(np.sqrt(mean))


def weighted_mae(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """MAE under many weightings of the rows at once; arguments as for `weighted_roc_auc`, NaN without any weight."""
    return divided(weights @ np.abs(_errors(y, score)), weights.sum(1))


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotients, NaN where the divisor is 0."""
    quotients: np.ndarray = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
    return quotients


def mean_of_defined(values: Iterable[float | None]) -> float | None:
    """Of the values that there are; None of none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def mean_over_tasks(metric: Metric, y: np.ndarray, scores: np.ndarray) -> float | None:
    """Mean of a metric over the tasks where it is defined; y and what it takes (n, T). None if defined nowhere."""
    if y.shape != scores.shape or y.ndim != 2:
        raise ValueError(f"y has shape {y.shape} and scores {scores.shape}; expected equal (n, tasks)")
    return mean_of_defined(metric.score(y[:, t], scores[:, t]) for t in range(y.shape[1]))


ROC_AUC = Metric(
    name="roc_auc",
    version=1,
    kind="classification",
    score=roc_auc,
    larger_is_better=True,
    source="doi:10.1148/radiology.143.1.7063747",
    label="ROC-AUC",
    weighted=weighted_roc_auc,
)
AVERAGE_PRECISION = Metric(
    name="average_precision",
    version=1,
    kind="classification",
    score=average_precision,
    larger_is_better=True,
    source="scikit-learn, average_precision_score",
    label="average precision",
    weighted=weighted_average_precision,
)
RMSE = Metric(
    name="rmse",
    version=1,
    kind="regression",
    score=rmse,
    larger_is_better=False,
    source="root of the mean squared error; scikit-learn, root_mean_squared_error",
    label="RMSE",
    relevant=0.05,
    in_target_units=True,
    weighted=weighted_rmse,
)
MAE = Metric(
    name="mae",
    version=1,
    kind="regression",
    score=mae,
    larger_is_better=False,
    source="mean absolute error; scikit-learn, mean_absolute_error",
    label="MAE",
    relevant=0.05,
    in_target_units=True,
    weighted=weighted_mae,
)
R2 = Metric(
    name="r2",
    version=1,
    kind="regression",
    score=r2,
    larger_is_better=True,
    source="coefficient of determination; scikit-learn, r2_score",
    label="R²",
    relevant=0.02,
)

METRICS: Registry[Metric] = Registry("metric", "pbgraph.metrics", Metric)


def metrics_of(kind: Kind) -> list[Metric]:
    """Every metric for tasks of this kind that can be loaded, by name."""
    return [metric for metric in METRICS.working() if metric.kind == kind]


def stands_unasked(name: str) -> bool:
    """Whether tables show a metric that nobody asked for: one that takes scores, or is not known here."""
    try:
        return METRICS.get(name).takes == "scores"
    except PbgraphError:
        return True


def scale_of(name: str, values: Iterable[float | None]) -> float:
    """The magnitude by which scores of a metric are written, see `pbgraph.humanize.figure`.

    Of one in the targets' unit, the smallest score that is not zero; 1 of any other, and of one that is not registered.
    """
    sizes = [abs(value) for value in values if value is not None and value != 0 and math.isfinite(value)]
    known = name in METRICS and METRICS.get(name).in_target_units
    return min(sizes) if known and sizes else 1.0


def label_of(name: str) -> str:
    """What tables call a metric: its label, or its name where it has none or cannot be loaded here."""
    try:
        return METRICS.get(name).label or name
    except PbgraphError:
        return name
