"""Estimators that treat every task by itself, on the rows where it was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pbgraph.models.base import FittedEstimator
from pbgraph.streams import seed_of

# x (m, D) -> probability of class 1, or the value, (m,)
Predict = Callable[[Any], np.ndarray]
# (x (n, D), y (n,) with two values at least, seed) -> prediction function and number of parameters
FitTask = Callable[[Any, np.ndarray, int], tuple[Predict, int]]


def fit_tasks(
    x: Any,
    y: np.ndarray,
    fit_task: FitTask,
    *,
    seed: int,
    stream: str,
    prepare: Callable[[np.ndarray], Any],
    unmeasured: float = 0.5,
) -> FittedEstimator:
    """Fit `fit_task` to every task's measured rows.

    x        (n, D), what `prepare` made of the features of the training rows
    y        (n, T), NaN = not measured
    stream   name of the random streams; task t draws from "stream/t"
    prepare  (m, D) features of new rows -> what the prediction functions take
    unmeasured  score of a task without any measured row
    A task whose rows hold one class or value alone gets that as a constant score.
    """
    tasks = [
        _fitted(x, y[:, task], fit_task, seed=seed_of(seed, f"{stream}/{task}"), unmeasured=unmeasured)
        for task in range(y.shape[1])
    ]

    def predict(x: np.ndarray) -> np.ndarray:
        prepared = prepare(x)
        return np.stack([predict_task(prepared) for predict_task, _ in tasks], axis=1)

    return FittedEstimator(predict=predict, parameters=sum(size for _, size in tasks))


def _fitted(x: Any, y: np.ndarray, fit_task: FitTask, *, seed: int, unmeasured: float) -> tuple[Predict, int]:
    measured = np.flatnonzero(~np.isnan(y))
    values = np.unique(y[measured])
    if len(values) < 2:
        score = float(values[0]) if len(values) else unmeasured
        return lambda x: np.full(x.shape[0], score), 0
    return fit_task(x[measured], y[measured], seed)
