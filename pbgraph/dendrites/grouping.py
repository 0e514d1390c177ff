"""Grouping: a layer and the normalisations after it as one module, found from an example of a model's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import copied
from pbgraph.dendrites.discovery import is_norm, keeps_state
from pbgraph.dendrites.outputs import opened
from pbgraph.dendrites.selection import Example


@dataclass
class Trace:
    """What an example shows.

    norms   layer -> the normalisation that takes all it returns, and nothing else
    others  layer -> why it can be no site
    """

    norms: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


class _Watch:
    """Follows the tensors that layers return to whoever is handed them."""

    def __init__(self, model: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        self.parts, self.layers = dict(model.named_modules()), layers
        self.made: dict[int, str] = {}  # id of a returned tensor -> layer
        self.kept: list[Any] = []  # an id is one tensor's only while it lives
        self.answers: dict[str, list[Any]] = {name: [] for name in layers}
        self.takers: dict[str, list[str]] = {name: [] for name in layers}
        self.alone = dict.fromkeys(self.parts, True)  # whether a module is handed nothing beside one tensor

    def run(self, model: nn.Module, example: Example) -> None:
        handles = [
            module.register_forward_pre_hook(partial(self._before, name), with_kwargs=True)
            for name, module in self.parts.items()
            if name
        ]
        handles += [layer.register_forward_hook(partial(self._after, name)) for name, layer in self.layers.items()]
        try:
            output_on(model, example)
        finally:
            for handle in handles:
                handle.remove()

    def _before(self, name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        for value in (*inputs, *named.values()):
            if id(value) in self.made:
                self.takers[self.made[id(value)]].append(name)
        self.alone[name] &= len(inputs) == 1 and not named

    def _after(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.kept.append(output)
        self.answers[name].append(opened(output))
        if isinstance(output, Tensor):
            self.made[id(output)] = name

    def norm_after(self, name: str) -> str | None:
        takers = self.takers[name]
        if len(set(takers)) != 1 or len(takers) != len(self.answers[name]):
            return None
        return takers[0] if self.alone[takers[0]] and is_norm(self.parts[takers[0]]) else None


def trace(model: nn.Module, layers: Mapping[str, nn.Module], example: Example) -> Trace:
    """Run `model` on an example, in evaluation mode."""
    watch, seen = _Watch(model, layers), Trace()
    watch.run(model, example)
    for name, layer in layers.items():
        kind = type(layer).__name__
        if not watch.answers[name]:
            seen.others[name] = f"{kind}: never called on the example"
        elif not all(isinstance(y, Tensor) and y.is_floating_point() for y in watch.answers[name]):
            seen.others[name] = f"{kind}: returns a {type(watch.answers[name][0]).__name__}, not a tensor of reals"
        elif not keeps_state(layer) and (norm := watch.norm_after(name)):
            seen.norms[name] = norm
    return seen


def output_on(model: nn.Module, example: Example) -> Any:
    """What the model returns in evaluation, all of it left as it was."""
    with _undisturbed(model), torch.no_grad():
        return copied(example.of_model(model))


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Within the block the model is in evaluation mode and random streams are a copy."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def same_output(a: Any, b: Any) -> bool:
    """Whether two nested outputs are equal bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same_output(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_output, a, b))
    return bool(a == b)
