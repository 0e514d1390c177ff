"""Backpropagation in two cycles, each with the learning rate started again."""

from pbgraph.methods.base import Method
from pbgraph.methods.plain import train_in_cycles
from pbgraph.methods.training import TrainSettings, refuses_estimators


def fit(task):
    """Half of the epochs, and from the best of them on the other half."""
    half = task.settings.epochs // 2
    return train_in_cycles(task, lengths=[half, task.settings.epochs - half], patience=task.settings.patience)


RESTARTS = Method(
    name="restarts",
    version=1,
    settings=TrainSettings,
    fit=fit,
    refuses=refuses_estimators,
    source="Loshchilov & Hutter 2017, arXiv:1608.03983",
)
