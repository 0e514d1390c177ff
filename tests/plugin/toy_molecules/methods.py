"""Backpropagation in two cycles, each with the learning rate started again."""

from pbgraph.methods.base import Method
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TRAIN_SPACE, TrainSettings, refuses_estimators


def fit(job):
    """Half of the epochs, and from the best of them on the other half."""
    half = job.settings.epochs // 2
    return train_in_cycles(job, lengths=[half, job.settings.epochs - half], patience=job.settings.patience)


RESTARTS = Method(
    name="restarts",
    version=1,
    settings=TrainSettings,
    fit=fit,
    refuses=refuses_estimators,
    source="Loshchilov & Hutter 2017, arXiv:1608.03983",
    space=TRAIN_SPACE,
)
