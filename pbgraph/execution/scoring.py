"""The scores of a record: of validation rows as they selected, of test rows as its file of predictions keeps them.

It needs no torch: whoever checks a record scores its predictions again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pbgraph.decisions import thresholds_of
from pbgraph.metrics import Kind, Metric, SplitScore, TaskScore, Thresholds, mean_of_defined, metrics_of
from pbgraph.results.predictions import kept_scores


@dataclass(frozen=True)
class Rows:
    """What metrics are given of n rows and T tasks.

    y           (n, T), NaN = not measured
    scores      (n, T): of classification probabilities of class 1, of regression values
    ranked      (n, T): scores on another increasing scale, for metrics that take such; None: `scores`
    thresholds  for metrics that take decisions
    """

    y: np.ndarray
    scores: np.ndarray
    ranked: np.ndarray | None = None
    thresholds: Thresholds = field(default_factory=dict)

    def taken(self, metric: Metric, tasks: Sequence[str]) -> np.ndarray:
        """(n, T): what a metric is given; NaN where it takes decisions and a task has no threshold."""
        if metric.takes == "scores" and self.ranked is not None:
            return self.ranked
        if metric.takes != "decisions":
            return self.scores
        known = self.thresholds.get(metric.name, {})
        at = np.array([known.get(name, np.nan) for name in tasks])
        return np.where(np.isnan(self.scores + at), np.nan, self.scores >= at)


def split_score(rows: Rows, tasks: Sequence[str], metrics: Sequence[Metric]) -> SplitScore:
    """Every metric of every task and their means; metrics of one kind.

    A task where a metric is undefined is left out of that metric's mean; so is one of which no threshold is known.
    """
    if rows.y.shape != rows.scores.shape or rows.y.ndim != 2:
        raise ValueError(f"y has shape {rows.y.shape} and scores {rows.scores.shape}; expected equal (n, tasks)")
    values = {metric.name: _by_task(metric, rows, tasks) for metric in metrics}
    classes = any(metric.kind == "classification" for metric in metrics)
    return SplitScore(
        size=len(rows.y),
        metrics={name: mean_of_defined(of_tasks) for name, of_tasks in values.items()},
        tasks={
            task: _task_score(rows.y[:, t], {name: values[name][t] for name in values}, classes=classes)
            for t, task in enumerate(tasks)
        },
    )


def _by_task(metric: Metric, rows: Rows, tasks: Sequence[str]) -> list[float | None]:
    taken, known = rows.taken(metric, tasks), rows.thresholds.get(metric.name, {})
    return [
        None if metric.takes == "decisions" and task not in known else metric.score(rows.y[:, t], taken[:, t])
        for t, task in enumerate(tasks)
    ]


def _task_score(y: np.ndarray, values: Mapping[str, float | None], *, classes: bool) -> TaskScore:
    labels = y[~np.isnan(y)].astype(np.float64)
    if classes:
        return TaskScore(metrics=values, labelled=len(labels), positives=int(labels.sum()))
    return TaskScore(metrics=values, labelled=len(labels), sd=float(labels.std()) if len(labels) else None)


@dataclass(frozen=True, eq=False)
class Scored:
    """scores, metrics, thresholds as a record has them; kept: (n, T) float32, the test rows' file."""

    scores: Mapping[str, SplitScore]
    metrics: Mapping[str, int]
    thresholds: Thresholds
    kept: np.ndarray


def scored_parts(
    labels: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    tasks: Sequence[str],
    *,
    kind: Kind,
    selected_by: np.ndarray | None = None,
) -> Scored:
    """Score the parts that there are: "test", and "valid" where its rows were predicted.

    labels, values  part -> (n, T); values are probabilities of class 1, of regression numbers in the units of y
    selected_by     of the validation rows: scores on another increasing scale, by which the run was selected
    Thresholds are of validation rows; without these there are none, and metrics that take decisions are undefined.
    Validation rows themselves are scored by metrics that take scores: at a threshold of their own they would flatter.
    Raises ValueError for probabilities outside of [0, 1].
    """
    metrics, kept = metrics_of(kind), {part: kept_scores(mine, kind) for part, mine in values.items()}
    known = thresholds_of(labels["valid"], kept["valid"], tasks, metrics) if "valid" in kept else {}
    ranked = {"valid": selected_by}
    rows = {part: Rows(labels[part], kept[part].astype(np.float64), ranked.get(part), known) for part in kept}
    by = {"test": metrics, "valid": [metric for metric in metrics if metric.takes == "scores"]}
    return Scored(
        scores={part: split_score(mine, tasks, by[part]) for part, mine in rows.items()},
        metrics={metric.name: metric.version for metric in metrics},
        thresholds={name: by_task for name, by_task in known.items() if by_task},
        kept=kept["test"],
    )
