"""Random forests on ECFP4, one per task (Breiman 2001, doi:10.1023/A:1010933404324), by scikit-learn.

A tree grows on a bootstrap sample of the task's measured rows and at each node tries √D of the D features; the
score of a molecule is the mean over trees of the share of actives in its leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array

from pbgraph.errors import UsageError
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.streams import seed_of

Predict = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class RandomForestConfig:
    """Hyper-parameters, chosen on validation rows of Tox21.

    trees             of each task's forest
    min_samples_leaf  rows in a leaf; 2 did better than 1 or 3
    class_weight      "none": every row counts alike, which did best; "balanced": both classes have equal weight
    """

    trees: int = 300
    min_samples_leaf: int = 2
    class_weight: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        if min(self.trees, self.min_samples_leaf) < 1:
            raise UsageError(f"a random forest needs sizes of at least 1, got {self}")
        if self.class_weight not in ("none", "balanced"):
            raise UsageError(f"class_weight is {self.class_weight!r}, expected 'none' or 'balanced'")


def fit(x: np.ndarray, y: np.ndarray, config: RandomForestConfig, seed: int) -> FittedEstimator:
    """One forest per task, each on the rows where the task was measured.

    x (n, D) of 0 and 1, y (n, T) with NaN = not measured. A task whose rows hold one class alone gets a
    constant score. The size of the fitted model is the number of its tree nodes.
    Fingerprints go to scikit-learn as sparse matrices: the same trees, five times faster.
    """
    sparse = csr_array(x, dtype=np.float32)
    tasks = [_fit_task(sparse, y[:, task], config, seed_of(seed, f"forest/{task}")) for task in range(y.shape[1])]

    def predict(x: np.ndarray) -> np.ndarray:
        sparse = csr_array(x, dtype=np.float32)
        return np.stack([predict_task(sparse) for predict_task, _ in tasks], axis=1)

    return FittedEstimator(predict=predict, parameters=sum(nodes for _, nodes in tasks))


def _fit_task(x: Any, y: np.ndarray, config: RandomForestConfig, seed: int) -> tuple[Predict, int]:
    """x (n, D) sparse, y (n,) -> (prediction function, nodes of all trees)."""
    measured = np.flatnonzero(~np.isnan(y))
    classes = np.unique(y[measured])
    if len(classes) < 2:
        score = float(classes[0]) if len(classes) else 0.5
        return lambda x: np.full(x.shape[0], score), 0
    forest = _forest(config, seed).fit(x[measured], y[measured])
    return lambda x: forest.predict_proba(x)[:, 1], sum(tree.tree_.node_count for tree in forest.estimators_)


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


RANDOM_FOREST = Estimator(
    name="random-forest",
    version=1,
    config=RandomForestConfig,
    fit=fit,
    source="doi:10.1023/A:1010933404324; scikit-learn RandomForestClassifier",
)
