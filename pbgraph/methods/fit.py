"""`fit`: a model that fits itself, such as a random forest, on the training rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbgraph.history import Selection
from pbgraph.methods.base import FitJob, Fitted, Method, Report
from pbgraph.models.base import Architecture, Estimator, FittedEstimator, Model


@dataclass(frozen=True)
class FitSettings:
    """An estimator's settings are all in its own config."""


def fit(job: FitJob) -> Fitted:
    """Fit on the training rows; there is nothing to select, so the validation rows are only scored."""
    assert isinstance(job.model, Estimator)
    job.report(Report("fit", 0, None, 0, 0.0))
    fitted = job.model.fitter(job.kind)(job.train.x, job.train.y, job.config, job.seed)
    return Fitted(
        predict=lambda store: fitted.predict(store.x),
        state=_saver(fitted),
        parameters=fitted.parameters,
        epochs=1,
        selection=Selection("fitted once; nothing to select", 0, job.metric(job.valid.y, fitted.predict(job.valid.x))),
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
