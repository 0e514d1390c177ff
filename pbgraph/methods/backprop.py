"""`backprop`: the plain model, trained by gradient descent. The baseline of every comparison."""

from __future__ import annotations

from pbgraph.methods import roles
from pbgraph.methods.base import FitJob, Fitted, Method
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TRAIN_SPACE, TrainSettings, refuses_estimators


def fit(job: FitJob) -> Fitted:
    """Train until `patience` epochs bring no new best validation score, or `epochs` are over; keep the best epoch."""
    return train_in_cycles(job, lengths=[job.settings.epochs], patience=job.settings.patience)


BACKPROP = Method(
    name=roles.PLAIN,
    version=1,
    settings=TrainSettings,
    fit=fit,
    refuses=refuses_estimators,
    source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0; AdamW: arXiv:1711.05101",
    space=TRAIN_SPACE,
)
