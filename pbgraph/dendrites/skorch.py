"""Growth in skorch's loop; needs the package `skorch`.

    net = NeuralNetClassifier(
        growth.model, optimizer=optimizer_of(growth), max_epochs=10_000, callbacks=[GrowthCallback(growth)]
    )
    net.fit(x, y)

`examples/with_skorch.py` is a whole program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.growth import Growth
from pbgraph.dendrites.loop import GrowthOptimizer


def optimizer_of(growth: Growth) -> Callable[..., GrowthOptimizer]:
    """What skorch's argument `optimizer` is to be; parameters and rate that skorch would hand over are growth's own."""

    def make(*_: Any, **__: Any) -> GrowthOptimizer:
        return growth.as_optimizer()

    return make


class GrowthCallback(Callback):
    """Ends growth's epoch with skorch's, stops training when growth is finished, restores the best network.

    monitor          a column of skorch's history;  lower_is_better  whether it is
    Raises TrainingError if an epoch has no such column.
    """

    def __init__(self, growth: Growth, monitor: str = "valid_loss", *, lower_is_better: bool = True) -> None:
        self.growth, self.monitor, self.lower_is_better = growth, monitor, lower_is_better

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """End growth's epoch; skorch stops as it does for a KeyboardInterrupt, its way of early stopping."""
        line = net.history[-1]
        if self.monitor not in line:
            raise TrainingError(f"{self.monitor!r} is not in skorch's history; there are: {', '.join(line)}")
        sign = 1.0 if self.lower_is_better == (self.growth.settings.mode == "min") else -1.0
        self.growth.epoch_end(sign * float(line[self.monitor]))
        if self.growth.finished:
            raise KeyboardInterrupt

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Make the network the best of the run."""
        self.growth.restore_best()
