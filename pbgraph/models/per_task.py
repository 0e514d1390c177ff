"""Estimators that treat every task by itself, on the rows where it was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pbgraph.models.base import FittedEstimator
from pbgraph.streams import seed_of

# x (m, D) -> probability of class 1, or the value, (m,)
Predict = Callable[[Any], np.ndarray]


class FittedTask(NamedTuple):
    """One task's prediction function, its number of parameters, and () -> all that is needed to predict again.

    state  gives a nesting of dicts and lists over tensors and JSON types, as `pbgraph.files.state_file` keeps it
    """

    predict: Predict
    parameters: int
    state: Callable[[], Any]


# (x (n, D), y (n,) with two values at least, seed) -> what was fitted
FitTask = Callable[[Any, np.ndarray, int], FittedTask]


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
    return FittedEstimator(
        predict=_together([task.predict for task in tasks], prepare),
        parameters=sum(task.parameters for task in tasks),
        state=lambda: {"tasks": [task.state() for task in tasks]},
    )


def restore_tasks(
    state: Any, restore_task: Callable[[Any], Predict], prepare: Callable[[np.ndarray], Any]
) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function whose state was kept; `restore_task` does that for one task that is no constant."""
    return _together([_restored(each, restore_task) for each in state["tasks"]], prepare)


def _together(tasks: list[Predict], prepare: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], np.ndarray]:
    def predict(x: np.ndarray) -> np.ndarray:
        prepared = prepare(x)
        return np.stack([predict_task(prepared) for predict_task in tasks], axis=1)

    return predict


def _restored(state: Any, restore_task: Callable[[Any], Predict]) -> Predict:
    return _constant(state["constant"]) if "constant" in state else restore_task(state)


def _constant(score: float) -> Predict:
    return lambda x: np.full(x.shape[0], score)


def _fitted(x: Any, y: np.ndarray, fit_task: FitTask, *, seed: int, unmeasured: float) -> FittedTask:
    measured = np.flatnonzero(~np.isnan(y))
    values = np.unique(y[measured])
    if len(values) < 2:
        score = float(values[0]) if len(values) else unmeasured
        return FittedTask(_constant(score), 0, lambda: {"constant": score})
    return fit_task(x[measured], y[measured], seed)
