"""`fit`: a model that fits itself, such as a random forest, on the training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pbgraph.features.base import Store
from pbgraph.features.vectors import VectorStore
from pbgraph.history import Selection
from pbgraph.methods.base import FitJob, Fitted, Method, Report
from pbgraph.models.base import Architecture, Estimator, FittedEstimator, Model


@dataclass(frozen=True)
class FitSettings:
    """An estimator's settings are all in its own config."""


def vectors_of(store: Store) -> np.ndarray:
    """(n, D), what estimators take. Raises TypeError for a store of anything else."""
    if not isinstance(store, VectorStore):
        raise TypeError(f"an estimator is fitted to a VectorStore, not to a {type(store).__name__}; see its featuriser")
    return store.x


def fit(job: FitJob) -> Fitted:
    """Fit on the training rows; there is nothing to select, so the validation rows are only scored."""
    assert isinstance(job.model, Estimator)
    job.report(Report("fit"))
    fitted = job.model.fitter(job.kind)(vectors_of(job.train), job.train.y, job.config, job.seed)

    def predict(store: Store) -> np.ndarray:
        return fitted.predict(vectors_of(store))

    return Fitted(
        predict=predict,
        state=_saver(fitted),
        parameters=fitted.parameters,
        epochs=1,
        selection=Selection("fitted once; nothing to select", 0, job.metric(job.valid.y, predict(job.valid))),
        outputs="probabilities",
    )


def _saver(fitted: FittedEstimator) -> Callable[[], Any] | None:
    state = fitted.state
    return None if state is None else lambda: {"form": "estimator", "estimator": state()}


def _refuses(model: Model) -> str | None:
    return "it is trained by gradients; use method 'backprop'" if isinstance(model, Architecture) else None


FIT = Method(
    name="fit",
    version=1,
    settings=FitSettings,
    fit=fit,
    refuses=_refuses,
    source="the estimator's own",
)
