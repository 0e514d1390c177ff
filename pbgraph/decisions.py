"""Decisions between two classes at a threshold, and metrics that take them.

The rule: of each task, and for each metric, the threshold is that probability of a validation row of class 1 at and
above which calling everything class 1 gives the best score on the validation rows; of several that do, the largest. It
is looked for among rows of class 1 because any other threshold only calls more of class 0 class 1. Test rows have no
part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pbgraph.metrics import Metric, Thresholds, measured_rows


def thresholds_of(
    valid_y: np.ndarray, valid_p: np.ndarray, tasks: Sequence[str], metrics: Sequence[Metric]
) -> Thresholds:
    """Metric -> task -> threshold, of the metrics that take decisions.

    valid_y, valid_p  (n, T) of the validation rows: labels, NaN = not measured, and probabilities as results keep them
    A task has none where these rows leave the metric undefined, as where they are of one class.
    """
    return {
        metric.name: {
            name: at
            for t, name in enumerate(tasks)
            if (at := threshold(valid_y[:, t], valid_p[:, t], metric)) is not None
        }
        for metric in metrics
        if metric.takes == "decisions"
    }


def threshold(y: np.ndarray, p: np.ndarray, metric: Metric) -> float | None:
    """The threshold of one task by its validation rows, y and p (n,); None where they leave the metric undefined."""
    y, p = measured_rows(y, p)
    sign = 1 if metric.larger_is_better else -1
    tried = {float(at): metric.score(y, (p >= at).astype(np.float64)) for at in np.unique(p[y > 0.5])}
    defined = {at: sign * score for at, score in tried.items() if score is not None}
    return max(defined, key=lambda at: (defined[at], at), default=None)


def matthews(y: np.ndarray, decided: np.ndarray) -> float | None:
    """Matthews correlation coefficient, (tp·tn - fp·fn) / √((tp+fp)(tp+fn)(tn+fp)(tn+fn)).

    It is 0 where all is decided alike.
    y        (n,) float, 0 or 1, NaN = not measured (row ignored)
    decided  (n,) float, 0 or 1
    None unless both classes are measured. Raises ValueError if shapes differ or a measured row's decision is NaN.
    Source: Matthews 1975, doi:10.1016/0005-2795(75)90109-9
    """
    if (counts := _counts(y, decided)) is None:
        return None
    tp, fp, fn, tn = counts
    below = float(np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    return (tp * tn - fp * fn) / below if below else 0.0


def f1(y: np.ndarray, decided: np.ndarray) -> float | None:
    """2 tp / (2 tp + fp + fn): harmonic mean of precision and recall of class 1; arguments as for `matthews`."""
    if (counts := _counts(y, decided)) is None:
        return None
    tp, fp, fn, _ = counts
    return 2 * tp / (2 * tp + fp + fn)


def balanced_accuracy(y: np.ndarray, decided: np.ndarray) -> float | None:
    """Mean over both classes of the share of their rows that is decided rightly; arguments as for `matthews`."""
    if (counts := _counts(y, decided)) is None:
        return None
    tp, fp, fn, tn = counts
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


def _counts(y: np.ndarray, decided: np.ndarray) -> tuple[float, float, float, float] | None:
    """True and false positives, false and true negatives; None unless both classes are measured."""
    y, decided = measured_rows(y, decided)
    positive, called = y > 0.5, decided > 0.5
    if positive.all() or not positive.any():
        return None
    tp, called_so, positives = float((positive & called).sum()), float(called.sum()), float(positive.sum())
    fp, fn = called_so - tp, positives - tp
    return tp, fp, fn, len(y) - tp - fp - fn


MCC = Metric(
    name="mcc",
    version=1,
    kind="classification",
    score=matthews,
    larger_is_better=True,
    source="doi:10.1016/0005-2795(75)90109-9; threshold from validation rows",
    label="MCC",
    relevant=0.02,
    takes="decisions",
)
F1 = Metric(
    name="f1",
    version=1,
    kind="classification",
    score=f1,
    larger_is_better=True,
    source="scikit-learn, f1_score; threshold from validation rows",
    label="F1",
    relevant=0.02,
    takes="decisions",
)
BALANCED_ACCURACY = Metric(
    name="balanced_accuracy",
    version=1,
    kind="classification",
    score=balanced_accuracy,
    larger_is_better=True,
    source="scikit-learn, balanced_accuracy_score; threshold from validation rows",
    label="balanced accuracy",
    relevant=0.01,
    takes="decisions",
)
