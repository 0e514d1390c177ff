"""An example of a model's inputs, and what the model makes of it, all of the model left as it was."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.errors import TrainingError
from pbgraph.dendrites.outputs import same_output
from pbgraph.dendrites.preserved import Preserved, kept_inputs


@dataclass(frozen=True, eq=False)
class Example:
    """The arguments of one call of a model."""

    inputs: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> Example:
        """A tuple or list holds positional arguments, a dictionary named ones, (tuple, dictionary) both.

        Anything else is the only argument.

        >>> Example.of({"x": 1}).named, Example.of((1, 2)).inputs, Example.of("a").inputs
        ({'x': 1}, (1, 2), ('a',))
        >>> both = Example.of(((1, 2), {"x": 3}))
        >>> both.inputs, both.named
        ((1, 2), {'x': 3})
        """
        if isinstance(value, Example):
            return value
        if isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], tuple | list):
            inputs, named = value
            if isinstance(named, Mapping) and all(isinstance(key, str) for key in named):
                return cls(tuple(inputs), dict(named))
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return cls(named=dict(value))
        if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
            return cls(tuple(value))
        return cls((value,))

    def output(self, model: nn.Module, *, training: bool = False, gradients: bool = False) -> Any:
        """What the model returns, copied; the same numbers are drawn each time."""
        inputs, named = kept_inputs(self.inputs, self.named) or (self.inputs, dict(self.named))
        with undisturbed(model, training=training), torch.set_grad_enabled(gradients):
            return copied(model(*inputs, **named))


class Probe:
    """One call of a network in evaluation mode, made again later: does it compute the same, bit for bit?

    repeats  whether it can be told: the network computes the same if it is called twice in a row
    """

    def __init__(self, model: nn.Module, example: Example) -> None:
        self._model, self._example = model, example
        try:
            self._expected = example.output(model)
            self.repeats = self._unchanged()
        except Exception:  # a network need not take in evaluation what it takes in training
            self.repeats = False

    def check(self) -> None:
        """Raises TrainingError if the network now computes something else."""
        if self.repeats and not self._unchanged():
            raise TrainingError(
                "the network computes something else than at the start of this dendrite phase, in which it must stand "
                "still: something moves in its forward pass that is no parameter, buffer or number of a module, or was "
                "changed from outside. Keep it in a buffer, or change it in neuron phases alone"
            )

    def _unchanged(self) -> bool:
        return same_output(self._example.output(self._model), self._expected)


@contextmanager
def undisturbed(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Within the block the model is in this mode and random streams are copies; then all is as it was."""
    modes = {module: module.training for module in model.modules()}
    streams = _streams()
    try:
        with Preserved(model.modules()):
            model.train(training)
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        _take_up(streams)
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def without_draws(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within the block these modules leave random streams where they found them, dropout or not."""
    states: list[tuple[Any, ...]] = []

    def before(_: nn.Module, __: Any) -> None:
        states.append(_streams())

    def after(_: nn.Module, __: Any, ___: Any) -> None:
        _take_up(states.pop())

    pairs = [(module.register_forward_pre_hook(before), module.register_forward_hook(after)) for module in modules]
    try:
        yield
    finally:
        for hook in (hook for pair in pairs for hook in pair):
            hook.remove()


def _streams() -> tuple[Any, ...]:
    """Where the random streams are that a network may draw from: torch's, Python's and NumPy's."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), devices, random.getstate(), np.random.get_state()  # noqa: NPY002


def _take_up(streams: tuple[Any, ...]) -> None:
    cpu, devices, python, legacy = streams
    torch.set_rng_state(cpu)
    if devices:
        torch.cuda.set_rng_state_all(devices)
    random.setstate(python)
    np.random.set_state(legacy)  # noqa: NPY002
