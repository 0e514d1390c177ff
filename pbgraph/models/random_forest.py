"""Random forests on ECFP4 and descriptors, one per task (Breiman 2001, doi:10.1023/A:1010933404324), by scikit-learn.

A tree grows on a bootstrap sample of the task's measured rows and at each node tries √D of the D features, of
regression D/3; the score of a molecule is the mean over trees of the share of actives, or of the targets, in its leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.per_task import FittedTask, fit_tasks, restore_tasks
from pbgraph.spaces import Choice, Whole


@dataclass(frozen=True)
class RandomForestConfig:
    """Hyper-parameters.

    Searched: eight settings, by mean ROC-AUC on validation rows of Tox21's random splits with seeds 0, 1 and 2. On bits
    and descriptors leaves of 2 rows: 0.855 (the default), of 3: 0.855, of 1: 0.852, balanced classes: 0.853; on bits
    alone 0.822, 0.821, 0.815 and 0.827.

    trees             of each task's forest
    min_samples_leaf  rows in a leaf
    class_weight      "none": every row counts alike; "balanced": both classes have equal weight; regression has none
    """

    trees: int = 300
    min_samples_leaf: int = 2
    class_weight: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        if min(self.trees, self.min_samples_leaf) < 1:
            raise UsageError(f"a random forest needs sizes of at least 1, got {self}")
        if self.class_weight not in ("none", "balanced"):
            raise UsageError(f"class_weight is {self.class_weight!r}, expected 'none' or 'balanced'")


def fit_classifier(x: np.ndarray, y: np.ndarray, config: RandomForestConfig, seed: int) -> FittedEstimator:
    """One forest per task, each on the rows where the task was measured.

    x (n, D), where undefined descriptors (NaN) count as 0; y (n, T) with NaN = not measured. A task whose rows hold one
    class alone gets a constant score. The size of the fitted model is the number of its tree nodes.
    Fingerprints go to scikit-learn as sparse matrices: the same trees, five times faster.
    """

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        forest = _forest(config, seed).fit(x, y)
        return _fitted(forest, lambda x: forest.predict_proba(x)[:, 1], classes=True)

    return fit_tasks(_sparse(x), y, fit_task, seed=seed, stream="forest", prepare=_sparse)


def fit_regressor(x: np.ndarray, y: np.ndarray, config: RandomForestConfig, seed: int) -> FittedEstimator:
    """As `fit_classifier`, for targets y; a task without any measured row gets 0. UsageError for class weights."""
    if config.class_weight != "none":
        raise UsageError(
            f"class_weight is {config.class_weight!r}, but regression tasks have no classes; leave it 'none'"
        )

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        forest = _regression_forest(config, seed).fit(x, y)
        return _fitted(forest, forest.predict, classes=False)

    return fit_tasks(_sparse(x), y, fit_task, seed=seed, stream="forest", prepare=_sparse, unmeasured=0.0)


def restore(state: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function of a forest of either kind, from its arrays."""
    from pbgraph.models.forest import forest_predictor  # imports Numba

    return restore_tasks(state, forest_predictor, _defined)


def _fitted(forest: Any, predict: Callable[[Any], np.ndarray], *, classes: bool) -> FittedTask:
    def state() -> Any:
        from pbgraph.models.forest import forest_state

        return forest_state(forest, classes=classes)

    return FittedTask(predict, sum(tree.tree_.node_count for tree in forest.estimators_), state)


def _defined(x: np.ndarray) -> np.ndarray:
    return np.nan_to_num(x, nan=0.0) if x.dtype.kind == "f" else x


def _sparse(x: np.ndarray) -> Any:
    from scipy.sparse import csr_array  # takes a seventh of a second to import

    sparse = csr_array(x, dtype=np.float32)
    sparse.data[np.isnan(sparse.data)] = 0.0
    sparse.eliminate_zeros()
    return sparse


def _forest(config: RandomForestConfig, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier  # takes a second to import

    return RandomForestClassifier(
        n_estimators=config.trees,
        min_samples_leaf=config.min_samples_leaf,
        max_features="sqrt",
        class_weight=None if config.class_weight == "none" else config.class_weight,
        n_jobs=1,
        random_state=seed % 2**32,
    )


def _regression_forest(config: RandomForestConfig, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # takes a second to import

    return RandomForestRegressor(
        n_estimators=config.trees,
        min_samples_leaf=config.min_samples_leaf,
        max_features=1 / 3,
        n_jobs=1,
        random_state=seed % 2**32,
    )


RANDOM_FOREST = Estimator(
    name="random-forest",
    version=1,
    config=RandomForestConfig,
    fit_classifier=fit_classifier,
    source="doi:10.1023/A:1010933404324; scikit-learn RandomForestClassifier",
    featuriser="ecfp4-descriptors",
    fit_regressor=fit_regressor,
    restore=restore,
    package="sklearn",
    space={
        "trees": Choice(100, 200, 300, 500),
        "min_samples_leaf": Whole(1, 5),
        "class_weight": Choice("none", "balanced"),
    },
)
