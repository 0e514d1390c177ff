"""Forests of scikit-learn, one per task: how they are fitted, counted, kept and read again.

`random-forest` and `extra-trees` are such. A kind of forest brings two functions, (config, seed) -> an unfitted
classifier, or an unfitted regressor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.fields import check_least
from pbgraph.models.base import FittedEstimator
from pbgraph.models.per_task import FittedTask, fit_tasks, restore_tasks
from pbgraph.spaces import Choice, Space, Whole

SPACE: Space = {
    "trees": Choice(100, 200, 300, 500),
    "min_samples_leaf": Whole(1, 5),
    "class_weight": Choice("none", "balanced"),
}
OF_CLASSES = ("class_weight",)


@dataclass(frozen=True)
class ForestConfig:
    """Hyper-parameters of a forest.

    trees             of each task's forest
    min_samples_leaf  rows in a leaf
    class_weight      "none": every row counts alike; "balanced": both classes have equal weight; regression has none
    """

    trees: int = 300
    min_samples_leaf: int = 2
    class_weight: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        check_least(self, 1, "trees", "min_samples_leaf")
        if self.class_weight not in ("none", "balanced"):
            raise UsageError(f"class_weight is {self.class_weight!r}, expected 'none' or 'balanced'")

    def arguments(self, seed: int) -> dict[str, Any]:
        """What every forest of scikit-learn is told, classes apart."""
        return {
            "n_estimators": self.trees,
            "min_samples_leaf": self.min_samples_leaf,
            "n_jobs": 1,
            "random_state": seed % 2**32,
        }

    def class_arguments(self, seed: int) -> dict[str, Any]:
        """What a forest of classification is told."""
        return {**self.arguments(seed), "class_weight": None if self.class_weight == "none" else self.class_weight}


MakeForest = Callable[[Any, int], Any]


def fit_classes(make: MakeForest, x: np.ndarray, y: np.ndarray, *, config: ForestConfig, seed: int) -> FittedEstimator:
    """One forest per task, each on the rows where the task was measured.

    x (n, D), where undefined descriptors (NaN) count as 0; y (n, T) with NaN = not measured. A task whose rows hold one
    class alone gets a constant score. The size of the fitted model is the number of its tree nodes.
    Fingerprints go to scikit-learn as sparse matrices: the same trees, five times faster.
    """

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        forest = make(config, seed).fit(x, y)
        return _fitted(forest, lambda x: forest.predict_proba(x)[:, 1], classes=True)

    return fit_tasks(_sparse(x), y, fit_task, seed=seed, stream="forest", prepare=_sparse)


def fit_values(make: MakeForest, x: np.ndarray, y: np.ndarray, *, config: ForestConfig, seed: int) -> FittedEstimator:
    """As `fit_classes`, for targets y; a task without any measured row gets 0. UsageError for class weights."""
    if config.class_weight != "none":
        raise UsageError(
            f"class_weight is {config.class_weight!r}, but regression tasks have no classes; leave it 'none'"
        )

    def fit_task(x: Any, y: np.ndarray, seed: int) -> FittedTask:
        forest = make(config, seed).fit(x, y)
        return _fitted(forest, forest.predict, classes=False)

    return fit_tasks(_sparse(x), y, fit_task, seed=seed, stream="forest", prepare=_sparse, unmeasured=0.0)


def restore(state: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function of a forest of any kind, from its arrays."""
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
