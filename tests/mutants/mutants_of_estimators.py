"""A small estimator that passes every check, and for each check one that it must reject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.models.logistic_regression import LOGISTIC_REGRESSION, LogisticRegressionConfig
from pbgraph.models.ridge import RIDGE

SOUND = replace(LOGISTIC_REGRESSION, name="sound", featuriser="ecfp4", source="none")
REGRESSOR = replace(RIDGE, name="regressor", featuriser="ecfp4", source="none")
UNSAVED = replace(SOUND, restore=None)
Scores = Callable[[np.ndarray], np.ndarray]


def fit(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    assert SOUND.fit_classifier is not None
    return SOUND.fit_classifier(x, y, config, seed)


@dataclass(frozen=True)
class ListConfig(LogisticRegressionConfig):
    layers: tuple[int, ...] = (1, 2)


def scoring(fitted: FittedEstimator, change: Callable[[np.ndarray], np.ndarray]) -> FittedEstimator:
    """The same with scores changed, which cannot be saved."""
    return replace(fitted, predict=lambda x: change(fitted.predict(x)), state=None)


def gives_percentages(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    return scoring(fit(x, y, config, seed), lambda scores: 100 * scores)


def takes_rows_of_others(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    return fit(x[::-1], y, config, seed)


def hedges(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    return scoring(fit(x, y, config, seed), lambda scores: 0.05 + 0.9 * scores)


def takes_blanks_for_zero(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    never = np.isnan(y).all(0)
    return fit(x, np.where(np.isnan(y) & ~never, 0, y).astype(np.float32), config, seed)


def needs_ten_rows(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    if len(x) < 10:
        raise ValueError(f"{len(x)} rows cannot be cut into 10 folds")
    return fit(x, y, config, seed)


def stretches_what_it_scores(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    return scoring(fit(x, y, config, seed), lambda scores: scores / np.maximum(scores.max(0), 1e-9) * scores.max())


def draws_elsewhere(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    weight = np.random.default_rng().uniform(0.5, 2)
    return fit(x, y, replace(config, c=weight * config.c), seed)


def seeds_numpy(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    np.random.seed(seed)  # noqa: NPY002
    return fit(x, y, config, seed)


def loads_in_single_precision(state: Any) -> Scores:
    assert SOUND.restore is not None
    predict = SOUND.restore(state)
    return lambda x: predict(x).astype(np.float32)


def fills_blanks_in_place(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    fitted = fit(x, y, config, seed)
    np.nan_to_num(y, copy=False)
    return fitted


def never_scales_back(x: np.ndarray, y: np.ndarray, config: Any, seed: int) -> FittedEstimator:
    assert RIDGE.fit_regressor is not None
    mean, std = np.nanmean(y[:, :3], 0), np.nanstd(y[:, :3], 0)
    return RIDGE.fit_regressor(x, (y - mean[0]) / std[0], config, seed)


MUTANTS: dict[str, Estimator] = {
    "described": replace(SOUND, config=ListConfig),
    "scores": replace(UNSAVED, fit_classifier=gives_percentages),
    "learns": replace(SOUND, fit_classifier=takes_rows_of_others),
    "one-value": replace(UNSAVED, fit_classifier=hedges),
    "blanks": replace(SOUND, fit_classifier=takes_blanks_for_zero),
    "few-rows": replace(SOUND, fit_classifier=needs_ten_rows),
    "batch-independence": replace(UNSAVED, fit_classifier=stretches_what_it_scores),
    "determinism": replace(SOUND, fit_classifier=draws_elsewhere),
    "global-streams": replace(SOUND, fit_classifier=seeds_numpy),
    "save-and-load": replace(SOUND, restore=loads_in_single_precision),
    "input-kept": replace(SOUND, fit_classifier=fills_blanks_in_place),
}
IN_OTHER_UNITS = replace(REGRESSOR, fit_regressor=never_scales_back)
