"""The modes of a network's modules in training: looking at them is cheap, setting them is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from pbgraph.dendrites.preserved import Preserved


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


def always_trains(module: nn.Module) -> bool:
    """Whether it has to be in training mode to have gradients on a GPU: recurrent layers; the same without dropout."""
    return isinstance(module, nn.RNNBase) and not module.dropout


@contextmanager
def evaluating(model: nn.Module) -> Iterator[Preserved]:
    """Within the block every module is in evaluation mode, but for such layers; then each is in the mode it was in.

    Yields what puts back what a pass has changed: ``with evaluating(model) as still: ...  with still: model(x)``.
    """
    modes = [(module, module.training) for module in model.modules()]
    still = Preserved((module for module, _ in modes), weights=model.parameters())
    model.eval()
    for module, _ in modes:
        if always_trains(module):
            module.training = True
    try:
        yield still
    finally:
        still.settle()
        for module, training in modes:
            module.training = training
