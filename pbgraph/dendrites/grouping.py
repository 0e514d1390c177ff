"""Grouping: a layer and the normalisations after it as one module, found from an example of a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.discovery import is_norm, keeps_state
from pbgraph.dendrites.example import Example
from pbgraph.dendrites.outputs import opened


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
        self.returned: dict[int, str] = {}  # id of a returned tensor -> layer
        self.kept: list[Any] = []  # an id is one tensor's only while it lives
        self.answers: dict[str, list[Any]] = {name: [] for name in layers}
        self.without_gradients = dict.fromkeys(layers, True)  # whether a layer is called without gradients alone
        self.consumers: dict[str, list[str]] = {name: [] for name in layers}
        self.alone = dict.fromkeys(self.parts, True)  # whether a module is handed nothing beside one tensor

    def run(self, model: nn.Module, example: Example) -> None:
        handles = [
            module.register_forward_pre_hook(partial(self._before, name), with_kwargs=True)
            for name, module in self.parts.items()
            if name
        ]
        handles += [layer.register_forward_hook(partial(self._after, name)) for name, layer in self.layers.items()]
        try:
            example.output(model, gradients=True)
        finally:
            for handle in handles:
                handle.remove()

    def _before(self, name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        for value in (*inputs, *named.values()):
            if id(value) in self.returned:
                self.consumers[self.returned[id(value)]].append(name)
        self.alone[name] &= len(inputs) == 1 and not named

    def _after(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.kept.append(output)
        self.without_gradients[name] &= not torch.is_grad_enabled()
        self.answers[name].append(opened(output))
        if isinstance(output, Tensor):
            self.returned[id(output)] = name

    def norm_after(self, name: str) -> str | None:
        consumers = self.consumers[name]
        if len(set(consumers)) != 1 or len(consumers) != len(self.answers[name]):
            return None
        return consumers[0] if self.alone[consumers[0]] and is_norm(self.parts[consumers[0]]) else None


def trace(model: nn.Module, layers: Mapping[str, nn.Module], example: Example) -> Trace:
    """Run `model` on the example, in evaluation mode."""
    watch, seen = _Watch(model, layers), Trace()
    watch.run(model, example)
    for name, layer in layers.items():
        kind = type(layer).__name__
        if not watch.answers[name]:
            seen.others[name] = f"{kind}: never called on the example"
        elif watch.without_gradients[name]:
            seen.others[name] = f"{kind}: called under torch.no_grad(), where no error reaches it"
        elif not all(isinstance(y, Tensor) and y.is_floating_point() for y in watch.answers[name]):
            seen.others[name] = f"{kind}: returns a {type(watch.answers[name][0]).__name__}, not a tensor of reals"
        elif not keeps_state(layer) and (norm := watch.norm_after(name)):
            seen.norms[name] = norm
    return seen
