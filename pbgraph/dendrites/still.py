"""A network that stands still for the length of a dendrite phase: nothing in it is trained, and nothing moves.

Its parameters are frozen; its normalisation layers use their running statistics; whatever a forward pass may change is
put back (`pbgraph.dendrites.preserved`); and at the end of every epoch it has to compute what it did at first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from pbgraph.dendrites.example import Example, Probe
from pbgraph.dendrites.modes import TrainingMode, always_trains
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.preserved import Preserved, kept_inputs
from pbgraph.dendrites.sites import PerforatedSite


class StillNetwork:
    """What a dendrite phase has to do with its network; from now on nothing but candidates can be trained.

    candidates  the modules that candidates consist of, which are no part of the network
    evaluated   whether the network is to be in evaluation mode, rather than in training but for its statistics;
                then the modules that are
    trainable   name of a parameter -> whether it was trainable before
    preserved   what puts back what a pass has changed
    """

    def __init__(self, model: nn.Module, candidates: Collection[nn.Module], *, evaluated: bool) -> None:
        self._model = model
        own = frozenset(candidates)
        network = [module for module in model.modules() if module not in own]
        self.evaluated = [module for module in network if (_evaluates if evaluated else _has_statistics)(module)]
        self._mode = TrainingMode(model, still=self.evaluated)
        self.trainable = self._freeze({id(p) for module in own for p in module._parameters.values()})
        sites = list(sites_of(model).values())
        lists = {part for site in sites for part in (site.dendrites, site.w) if not part._parameters}
        weights = [parameter for name, parameter in model.named_parameters() if self.trainable.get(name)]
        weights += [parameter for site in sites for parameter in site.dendrites.parameters()]
        self.preserved = Preserved((module for module in network if module not in lists), weights=weights)
        self._probe: Probe | None = None
        self._probed = False

    def enter_mode(self) -> None:
        """Put every module into the mode that it is in while the network stands still."""
        self._mode.enter()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Within the block passes are made; what they change is put back after it."""
        seen: list[Any] = []
        with self.preserved, self._first_call(seen):
            yield
        if seen and seen[0] is not None:
            self._probe = Probe(self._model, Example(*seen[0]))

    def check(self) -> None:
        """At the end of an epoch; raises TrainingError if the network computes something else than at first."""
        self.preserved.settle()
        if self._probe is not None:
            self._probe.check()

    def end(self) -> None:
        """Let everything be trained that could be before; what was not there then is left as it is."""
        for name, parameter in self._model.named_parameters():
            if name in self.trainable:
                parameter.requires_grad_(self.trainable[name])

    def _freeze(self, own: Collection[int]) -> dict[str, bool]:
        """Leave nothing but the candidates trainable; returns what was."""
        network = {name: p for name, p in self._model.named_parameters() if id(p) not in own}
        before = {name: parameter.requires_grad for name, parameter in network.items()}
        for parameter in network.values():
            parameter.requires_grad_(False)
            parameter.grad = None
        return before

    @contextmanager
    def _first_call(self, seen: list[Any]) -> Iterator[None]:
        """Within the first such block of the phase, what the network is called with first is put into `seen`."""
        if self._probed:
            yield
            return
        self._probed = True

        def keep(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            if not seen:
                seen.append(kept_inputs(inputs, named))

        hook = self._model.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()


def _has_statistics(module: nn.Module) -> bool:
    return module._buffers.get("running_mean") is not None


def _evaluates(module: nn.Module) -> bool:
    """Whether a module is to be in evaluation mode where dropout is off.

    Not what stands for another one; nor what has no gradients there on a GPU.
    """
    return not (type(module) is PerforatedSite or always_trains(module))
