"""A network that stands still: what a step changes in it is put back.

A forward pass may move more than its module's statistics: codebooks that are parameters without gradients, buffers
written behind autograd's back (``buffer.data.mul_``), observers of quantisation, counters. So parameters and buffers
are compared by value, and so are tensors that modules keep as plain attributes; every other attribute, be it a number,
None or a tuple of states, is made what it was, and one that was not there is taken away. What changes within a list or
an object of the network's own cannot be put back: `pbgraph.dendrites.example.Probe` finds it.
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

_TORCHS = frozenset(vars(nn.Module()))


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
    """After the block, parameters, buffers and attributes of these modules are what they were before it.

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
        self._plain = [(module, dict(module.__dict__)) for module in self._modules]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with torch.no_grad():
            for kept in self._kept.values():
                kept.put_back()
        for module, before in self._plain:
            _put_back(module.__dict__, before)


def _still(kept: _Kept | None, place: dict[str, Any], name: str, tensor: Tensor) -> _Kept:
    if kept is not None and kept.tensor is tensor and kept.version == tensor._version:
        return kept
    return _Kept(place, name, tensor, tensor._version, tensor.detach().clone())


def _put_back(place: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Let a module's attributes be what they were; what torch keeps there itself is left alone."""
    for name in [name for name in place if name not in before]:
        del place[name]
    for name, value in before.items():
        if name not in _TORCHS and (name not in place or place[name] is not value):
            place[name] = value


def kept_inputs(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Copies of the arguments of a call, or None if they cannot be copied."""
    try:
        return copy.deepcopy((detached(inputs), detached(dict(named))))
    except (TypeError, RuntimeError):  # generators, open files, tensors of other kinds
        return None
