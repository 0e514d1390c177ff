"""Ridge regression on ECFP4 and descriptors, one per task (Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634).

    value = w · f(x) + b,   w, b minimise  Σ_rows (y - value)² + α w·w

f standardises each column by statistics of the training rows alone, as for logistic regression. By scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pbgraph.fields import check_positive
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.logistic_regression import Standardiser, restored_standardiser, with_standardiser
from pbgraph.models.per_task import FittedTask, Predict, fit_tasks, restore_tasks
from pbgraph.spaces import Real


@dataclass(frozen=True)
class RidgeConfig:
    """Hyper-parameters.

    Searched: alpha of 10, 100, 1000, 3000 and 10000, whose mean RMSE on validation rows of ESOL's random splits with
    seeds 0, 1 and 2 is 0.870, 0.728, 0.710, 0.802 and 1.076.

    alpha  α, weight of the penalty
    """

    alpha: float = 1000.0

    def __post_init__(self) -> None:
        check_positive(self, "alpha")


def fit_regressor(x: np.ndarray, y: np.ndarray, config: RidgeConfig, seed: int) -> FittedEstimator:
    """One regression per task, each on the rows where the task was measured; x (n, D) float, NaN = undefined.

    The problem has one solution: `seed` changes nothing. A task without any measured row gets 0. The size of the fitted
    model is its weights and biases.
    """
    from sklearn.linear_model import Ridge  # takes a second to import

    standardise = Standardiser.fit(x)

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        model = Ridge(alpha=config.alpha).fit(x, y)
        return FittedTask(model.predict, model.coef_.size + 1, lambda: _weights(model))

    fitted = fit_tasks(standardise(x), y, fit_task, seed=seed, stream="regression", prepare=standardise, unmeasured=0.0)
    return with_standardiser(fitted, standardise)


def restore(state: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function, from its weights and the statistics of its columns."""
    return restore_tasks(state, _restored, restored_standardiser(state))


def _weights(model: Any) -> dict[str, Any]:
    return {"coef": torch.from_numpy(model.coef_), "intercept": float(model.intercept_)}


def _restored(state: Any) -> Predict:
    from sklearn.linear_model import Ridge

    model = Ridge()
    model.coef_, model.intercept_ = state["coef"].numpy(), state["intercept"]
    predict: Predict = model.predict
    return predict


RIDGE = Estimator(
    name="ridge",
    version=1,
    config=RidgeConfig,
    fit_classifier=None,
    source="doi:10.1080/00401706.1970.10488634; scikit-learn Ridge",
    featuriser="ecfp4-descriptors",
    fit_regressor=fit_regressor,
    restore=restore,
    package="sklearn",
    space={
        "alpha": Real(1.0, 1e5, log=True),
    },
)
