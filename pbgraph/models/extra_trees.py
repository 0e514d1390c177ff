"""Extremely randomised trees on ECFP4 and descriptors, one forest per task (Geurts, Ernst & Wehenkel 2006,
doi:10.1007/s10994-006-6226-1), by scikit-learn.

A tree grows on all of the task's measured rows. At each node it draws √D of the D features, of regression all of them,
and for each one threshold, uniformly between the feature's extremes there; it takes the best of these splits. The score
of a molecule is the mean over trees of the share of actives, or of the targets, in its leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.forests import OF_CLASSES, SPACE, ForestConfig, fit_classes, fit_values, restore


@dataclass(frozen=True)
class ExtraTreesConfig(ForestConfig):
    """Hyper-parameters.

    The paper grows 100 trees, and splits every node of 2 rows, of regression of 5.

    trees             of each task's forest
    min_samples_leaf  rows in a leaf
    class_weight      "none": every row counts alike; "balanced": both classes have equal weight; regression has none
    """


def fit_classifier(x: np.ndarray, y: np.ndarray, config: ExtraTreesConfig, seed: int) -> FittedEstimator:
    """As `pbgraph.models.forests.fit_classes` says; √D features are tried at a node."""
    return fit_classes(_forest, x, y, config=config, seed=seed)


def fit_regressor(x: np.ndarray, y: np.ndarray, config: ExtraTreesConfig, seed: int) -> FittedEstimator:
    """As `pbgraph.models.forests.fit_values` says; all features are tried at a node."""
    return fit_values(_regression_forest, x, y, config=config, seed=seed)


def _forest(config: ExtraTreesConfig, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier  # takes a second to import

    return ExtraTreesClassifier(max_features="sqrt", **config.class_arguments(seed))


def _regression_forest(config: ExtraTreesConfig, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor  # takes a second to import

    return ExtraTreesRegressor(max_features=1.0, **config.arguments(seed))


EXTRA_TREES = Estimator(
    name="extra-trees",
    version=1,
    config=ExtraTreesConfig,
    fit_classifier=fit_classifier,
    source="doi:10.1007/s10994-006-6226-1; scikit-learn ExtraTreesClassifier",
    featuriser="ecfp4-descriptors",
    fit_regressor=fit_regressor,
    restore=restore,
    package="sklearn",
    space=SPACE,
    of_classes=OF_CLASSES,
)
