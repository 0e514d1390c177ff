"""A network that stands still: what a step changes in it is put back.

A forward pass may move more than its module's statistics: codebooks that are parameters without gradients, buffers
written behind autograd's back (``buffer.data.mul_``), observers of quantisation, counters. So parameters and buffers
are compared by value, and tensors and numbers that modules keep as plain attributes are put back too. What lies
elsewhere, in a list or an object of the network's own, cannot be put back: `pbgraph.dendrites.example.Probe` finds it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import detached

_PLAIN = (bool, int, float, complex, str)


@dataclass(eq=False)
class _Kept:
    """A tensor of a module: where it is, the version of its content that was copied, and the copy."""

    place: dict[str, Any]
    name: str
    tensor: Tensor
    version: int
    value: Tensor

    def put_back(self) -> None:
        self.place[self.name] = self.tensor
        if self.tensor.shape != self.value.shape:
            self.tensor.data = self.value.clone()
        elif self.tensor.device.type != "cpu" or not torch.equal(self.tensor, self.value):
            self.tensor.copy_(self.value)  # to compare would make another device wait
        self.version = self.tensor._version


class Standing:
    """After the block, parameters, buffers, tensors and numbers of these modules are what they were before it.

    Tensors are copied when they are first seen, and again if somebody has changed them between two blocks.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._kept: dict[tuple[int, str], _Kept] = {}
        self._plain: list[tuple[nn.Module, dict[str, Any]]] = []

    def __enter__(self) -> Standing:
        before, self._kept = self._kept, {}
        for module in self._modules:
            for place in (module._parameters, module._buffers, module.__dict__):
                for name, tensor in place.items():
                    if isinstance(tensor, Tensor) and not tensor.is_inference():
                        key = (id(place), name)
                        self._kept[key] = _still(before.get(key), place, name, tensor)
        self._plain = [(module, _numbers(module)) for module in self._modules]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with torch.no_grad():
            for kept in self._kept.values():
                kept.put_back()
        for module, numbers in self._plain:
            module.__dict__.update(numbers)


def _still(kept: _Kept | None, place: dict[str, Any], name: str, tensor: Tensor) -> _Kept:
    if kept is not None and kept.tensor is tensor and kept.version == tensor._version:
        return kept
    return _Kept(place, name, tensor, tensor._version, tensor.detach().clone())


def _numbers(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if type(value) in _PLAIN and name != "training"}


def kept_inputs(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Copies of the arguments of a call, or None if they cannot be copied."""
    try:
        return copy.deepcopy((detached(inputs), detached(dict(named))))
    except (TypeError, RuntimeError):  # generators, open files, tensors of other kinds
        return None
