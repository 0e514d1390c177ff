"""XGBoost on ECFP4 and descriptors: gradient-boosted trees with second-order steps, one ensemble per task.

    F_m = F_{m-1} + η · tree_m,  whose leaf values are  -Σ g / (Σ h + λ)  over the rows of the leaf
    score = σ(F_M)

g and h are the first and second derivative of a row's cross-entropy by F_{m-1}; of regression, of its squared error,
and the score is F_M. Columns are split at thresholds, so no scaling enters; a row where the split column is NaN goes to
the side that lowered the training loss more.
Source: Chen & Guestrin 2016, doi:10.1145/2939672.2939785. Needs the extra ``boost``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pbgraph.fields import check_least, check_positive, check_shares
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.per_task import FittedTask, Predict, fit_tasks, restore_tasks
from pbgraph.models.xgboost_json import checked_json
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class XGBoostConfig:
    """Hyper-parameters.

    Searched: seven settings, by ROC-AUC on validation rows of Tox21's random split with seed 0: 0.847 to 0.856, the
    default; benchmarks/recipes.md lists them.

    trees             M
    learning_rate     η
    depth             of each tree, at most
    min_leaf_weight   Σ h in a leaf, at least
    row_fraction      share of the rows that each tree sees
    column_fraction   share of the columns that each tree sees
    l2                λ
    """

    trees: int = 400
    learning_rate: float = 0.025
    depth: int = 6
    min_leaf_weight: float = 1.0
    row_fraction: float = 1.0
    column_fraction: float = 0.1
    l2: float = 10.0

    def __post_init__(self) -> None:
        check_least(self, 1, "trees", "depth")
        check_least(self, 0, "min_leaf_weight", "l2")
        check_positive(self, "learning_rate")
        check_shares(self, "row_fraction", "column_fraction")


def fit_classifier(x: np.ndarray, y: np.ndarray, config: XGBoostConfig, seed: int) -> FittedEstimator:
    """One ensemble per task, each on the rows where the task was measured; x (n, D) float, NaN = undefined.

    The size of the fitted model is the number of its tree nodes. Needs the package xgboost.
    """
    return _fit(x, y, config, seed=seed, objective="binary:logistic", unmeasured=0.5)


def fit_regressor(x: np.ndarray, y: np.ndarray, config: XGBoostConfig, seed: int) -> FittedEstimator:
    """As `fit_classifier`, for targets y; a task without any measured row gets 0."""
    return _fit(x, y, config, seed=seed, objective="reg:squarederror", unmeasured=0.0)


def _fit(
    x: np.ndarray, y: np.ndarray, config: XGBoostConfig, *, seed: int, objective: str, unmeasured: float
) -> FittedEstimator:
    import xgboost

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        booster = xgboost.train(
            _parameters(config, objective, seed), xgboost.DMatrix(x, y), num_boost_round=config.trees
        )
        nodes = sum(text.count("\n") for text in booster.get_dump())
        return FittedTask(
            lambda x: booster.inplace_predict(x),
            nodes,
            lambda: {"booster": torch.frombuffer(booster.save_raw("json"), dtype=torch.uint8)},
        )

    return fit_tasks(x, y, fit_task, seed=seed, stream="xgboost", prepare=lambda x: x, unmeasured=unmeasured)


def restore(state: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function of either kind, from XGBoost's own JSON."""
    return restore_tasks(state, _restored, lambda x: x)


def _restored(state: Any) -> Predict:
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(checked_json(state["booster"].numpy().tobytes())))
    return lambda x: booster.inplace_predict(x)


def _parameters(config: XGBoostConfig, objective: str, seed: int) -> dict[str, Any]:
    return {
        "objective": objective,
        "tree_method": "hist",
        "eta": config.learning_rate,
        "max_depth": config.depth,
        "min_child_weight": config.min_leaf_weight,
        "subsample": config.row_fraction,
        "colsample_bytree": config.column_fraction,
        "lambda": config.l2,
        "seed": seed % 2**31,
        "nthread": 1,
        "verbosity": 0,
    }


XGBOOST = Estimator(
    name="xgboost",
    version=1,
    config=XGBoostConfig,
    fit_classifier=fit_classifier,
    package="xgboost",
    extra="boost",
    source="doi:10.1145/2939672.2939785; XGBoost",
    featuriser="ecfp4-descriptors",
    fit_regressor=fit_regressor,
    restore=restore,
    space={
        "trees": Choice(100, 200, 400, 600),
        "learning_rate": Real(0.01, 0.2, log=True),
        "depth": Whole(3, 8),
        "min_leaf_weight": Real(0.5, 10.0, log=True),
        "row_fraction": Real(0.5, 1.0),
        "column_fraction": Real(0.05, 1.0, log=True),
        "l2": Real(0.1, 100.0, log=True),
    },
)
