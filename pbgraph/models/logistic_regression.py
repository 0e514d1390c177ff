"""Logistic regression on ECFP4 and descriptors, one per task (Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x).

    score = σ(w · f(x) + b),   w, b minimise  ½ w·w + c Σ_rows cross-entropy

f standardises each column by statistics of the training rows alone (see `Standardiser`). By scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pbgraph.fields import check_least, check_positive
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.per_task import FittedTask, Predict, fit_tasks, restore_tasks
from pbgraph.spaces import Real


@dataclass(frozen=True)
class LogisticRegressionConfig:
    """Hyper-parameters.

    Searched: c of 0.0001, 0.0003, 0.001, 0.003 and 0.01, whose mean ROC-AUC on validation rows of Tox21's random splits
    with seeds 0, 1 and 2 is 0.814, 0.826, 0.828, 0.818 and 0.801.

    c               weight of the data against the penalty ½ w·w
    max_iterations  of the L-BFGS optimiser
    """

    c: float = 0.001
    max_iterations: int = 1000

    def __post_init__(self) -> None:
        check_positive(self, "c")
        check_least(self, 1, "max_iterations")


@dataclass(frozen=True, eq=False)
class Standardiser:
    """f(x) = (clip(x, low, high) - mean) / std of each column; NaN becomes 0, the training mean.

    low, high  (D,) first and 99th percentile of a column's defined training values; the whole range for columns
               that are 0 or 1 alone. Descriptors have heavy tails: one molecule could otherwise set the scale.
               Other columns of which less than 1 % differs from 0 have both at 0, and become 0 for every molecule
    mean, std  (D,) of the clipped training values; a constant or undefined column gives 0
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Standardiser:
        """From training rows x (n, D), NaN = undefined."""
        x = np.ma.masked_invalid(x.astype(np.float64))
        low, high = x.min(0).filled(0.0), x.max(0).filled(0.0)
        real = np.flatnonzero(~((x == 0) | (x == 1)).filled(True).all(0))
        if len(x) and len(real):
            percentiles = np.nanpercentile(x[:, real].filled(np.nan), [1, 99], axis=0)
            low[real], high[real] = np.nan_to_num(percentiles)
        clipped = np.ma.clip(x, low, high)
        std = clipped.std(0).filled(0.0)
        return cls(low, high, clipped.mean(0).filled(0.0), np.where(std > 0, std, np.inf))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(m, D) -> (m, D) float64 without NaN."""
        standard = (np.clip(x.astype(np.float64), self.low, self.high) - self.mean) / self.std
        return np.where(np.isnan(standard), 0.0, standard)


def fit_classifier(x: np.ndarray, y: np.ndarray, config: LogisticRegressionConfig, seed: int) -> FittedEstimator:
    """One regression per task, each on the rows where the task was measured; x (n, D) float, NaN = undefined.

    The problem is convex: `seed` changes nothing. The size of the fitted model is its weights and biases.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    standardise = Standardiser.fit(x)

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        model = LogisticRegression(C=config.c, max_iter=config.max_iterations).fit(x, y)
        return FittedTask(_predictor(model), model.coef_.size + model.intercept_.size, lambda: _weights(model))

    fitted = fit_tasks(standardise(x), y, fit_task, seed=seed, stream="regression", prepare=standardise)
    return with_standardiser(fitted, standardise)


def restore(state: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function, from its weights and the statistics of its columns."""
    return restore_tasks(state, _restored, restored_standardiser(state))


def with_standardiser(fitted: FittedEstimator, standardise: Standardiser) -> FittedEstimator:
    """The same, with the columns' statistics in its state."""
    assert fitted.state is not None
    tasks, columns = fitted.state, {name: torch.from_numpy(values) for name, values in vars(standardise).items()}
    return replace(fitted, state=lambda: {**tasks(), "standardiser": columns})


def restored_standardiser(state: Any) -> Standardiser:
    """The columns' statistics in a state."""
    return Standardiser(**{name: values.numpy() for name, values in state["standardiser"].items()})


def _weights(model: Any) -> dict[str, Any]:
    return {"coef": torch.from_numpy(model.coef_), "intercept": torch.from_numpy(model.intercept_)}


def _restored(state: Any) -> Predict:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.coef_, model.intercept_ = state["coef"].numpy(), state["intercept"].numpy()
    model.classes_ = np.array([0.0, 1.0])
    return _predictor(model)


def _predictor(model: Any) -> Predict:
    return lambda x: model.predict_proba(x)[:, 1]


LOGISTIC_REGRESSION = Estimator(
    name="logistic-regression",
    version=1,
    config=LogisticRegressionConfig,
    fit_classifier=fit_classifier,
    source="doi:10.1111/j.2517-6161.1958.tb00292.x; scikit-learn LogisticRegression",
    featuriser="ecfp4-descriptors",
    restore=restore,
    package="sklearn",
    space={
        "c": Real(1e-5, 1e-1, log=True),
    },
)
