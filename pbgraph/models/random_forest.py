"""Random forests on ECFP4 and descriptors, one per task (Breiman 2001, doi:10.1023/A:1010933404324), by scikit-learn.

A tree grows on a bootstrap sample of the task's measured rows and at each node tries √D of the D features, of
regression D/3; the score of a molecule is the mean over trees of the share of actives, or of the targets, in its leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.forests import OF_CLASSES, SPACE, ForestConfig, fit_classes, fit_values, restore


@dataclass(frozen=True)
class RandomForestConfig(ForestConfig):
    """Hyper-parameters.

    Searched: eight settings, by mean ROC-AUC on validation rows of Tox21's random splits with seeds 0, 1 and 2. On bits
    and descriptors leaves of 2 rows: 0.855 (the default), of 3: 0.855, of 1: 0.852, balanced classes: 0.853; on bits
    alone 0.822, 0.821, 0.815 and 0.827.

    trees             of each task's forest
    min_samples_leaf  rows in a leaf
    class_weight      "none": every row counts alike; "balanced": both classes have equal weight; regression has none
    """


def fit_classifier(x: np.ndarray, y: np.ndarray, config: RandomForestConfig, seed: int) -> FittedEstimator:
    """As `pbgraph.models.forests.fit_classes` says; √D features are tried at a node."""
    return fit_classes(_forest, x, y, config=config, seed=seed)


def fit_regressor(x: np.ndarray, y: np.ndarray, config: RandomForestConfig, seed: int) -> FittedEstimator:
    """As `pbgraph.models.forests.fit_values` says; D/3 features are tried at a node."""
    return fit_values(_regression_forest, x, y, config=config, seed=seed)


def _forest(config: RandomForestConfig, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier  # takes a second to import

    return RandomForestClassifier(max_features="sqrt", **config.class_arguments(seed))


def _regression_forest(config: RandomForestConfig, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # takes a second to import

    return RandomForestRegressor(max_features=1 / 3, **config.arguments(seed))


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
    space=SPACE,
    of_classes=OF_CLASSES,
)
