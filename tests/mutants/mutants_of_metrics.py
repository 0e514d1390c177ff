"""For each check of metrics one that it must reject; the built-in ones are sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pbgraph.metrics import MAE, RMSE, ROC_AUC, Metric, roc_auc


def likes_large_predictions(y: np.ndarray, score: np.ndarray) -> float:
    return float(np.mean(score))


def half_if_undefined(y: np.ndarray, score: np.ndarray) -> float:
    found = roc_auc(y, score)
    return 0.5 if found is None else found


def weighs_later_rows(y: np.ndarray, score: np.ndarray) -> float | None:
    kept = ~np.isnan(y)
    return float(np.average(np.abs(y - score)[kept], weights=np.arange(len(y))[kept])) if kept.any() else None


def takes_blanks_for_zero(y: np.ndarray, score: np.ndarray) -> float | None:
    return roc_auc(np.nan_to_num(y), np.nan_to_num(score))


def is_a_squared_error(y: np.ndarray, score: np.ndarray) -> float:
    return float(np.nanmean((y - score) ** 2))


def skips_what_is_not_predicted(y: np.ndarray, score: np.ndarray) -> float | None:
    return roc_auc(np.where(np.isnan(score), np.nan, y), score)


def ignores_weights(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.full(len(weights), roc_auc(y, score))


MUTANTS: dict[str, Metric] = {
    "described": replace(ROC_AUC, version=0),
    "perfect": replace(RMSE, score=likes_large_predictions, larger_is_better=True),
    "direction": replace(MAE, larger_is_better=True),
    "undefined": replace(ROC_AUC, score=half_if_undefined),
    "permutation": replace(MAE, score=weighs_later_rows),
    "blanks": replace(ROC_AUC, score=takes_blanks_for_zero),
    "scale": replace(ROC_AUC, score=is_a_squared_error, larger_is_better=False),
    "bad-input": replace(ROC_AUC, score=skips_what_is_not_predicted),
    "weighted": replace(ROC_AUC, weighted=ignores_weights),
}
