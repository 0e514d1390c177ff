"""The modes of a network's modules in training: looking at them is cheap, setting them is not."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


class TrainingMode:
    """Training mode of a network of fixed structure.

    still  modules that are in evaluation mode all the same
    """

    def __init__(self, model: nn.Module, still: Iterable[nn.Module] = ()) -> None:
        self._model, self._still = model, list(still)
        self._modules = list(model.modules())
        self._modes: list[bool] | None = None

    def enter(self) -> None:
        """Put the network into training mode, unless all its modules are still in the modes they were left in."""
        if [module.training for module in self._modules] == self._modes:
            return
        self._model.train()
        for module in self._still:
            module.training = False
        self._modes = [module.training for module in self._modules]
