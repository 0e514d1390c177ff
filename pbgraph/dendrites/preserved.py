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
from operator import is_
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import detached

_TORCHS = frozenset(vars(nn.Module()))
_LARGE = 4096  # numbers in a tensor from which NumPy compares it faster than torch
_PLAIN = (Tensor, nn.Parameter)
_NUMPYS = (torch.float32, torch.float64, torch.int64, torch.int32)


@dataclass(eq=False)
class _Kept:
    """A tensor of a module: the version of its content that was copied, and the copy."""

    tensor: Tensor
    version: int
    value: Tensor

    @classmethod
    def of(cls, tensor: Tensor) -> _Kept:
        return cls(tensor, tensor._version, tensor.detach().clone())

    def put_back(self) -> None:
        if self.tensor.shape != self.value.shape or self.tensor.dtype != self.value.dtype:
            self.tensor.data = self.value.clone()
        elif self.tensor.device.type != "cpu" or not _equal(self.tensor, self.value):
            self.tensor.copy_(self.value)  # to compare would make another device wait
        self.version = self.tensor._version


class _Place:
    """One of the dictionaries in which a module keeps what it has, and what was in it.

    A step seldom changes any, so it is first looked at as a whole: the same names with the very same values.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[Any] = []
        self.kept: dict[str, _Kept] = {}

    def look(self, place: dict[str, Any]) -> None:
        """Keep what is there."""
        if not self._is(place):
            known, self._names, self._values = self.kept, list(place), list(place.values())
            self.kept = {
                name: known[name] if name in known and known[name].tensor is value else _Kept.of(value)
                for name, value in place.items()
                if isinstance(value, Tensor) and not value.is_inference()
            }
        for name, kept in self.kept.items():
            if kept.version != kept.tensor._version:  # changed by somebody since
                self.kept[name] = _Kept.of(kept.tensor)

    def put_tensors_back(self, place: dict[str, Any]) -> None:
        """Let its tensors be what they were, in content too."""
        for name, kept in self.kept.items():
            place[name] = kept.tensor
            kept.put_back()

    def put_attributes_back(self, place: dict[str, Any]) -> None:
        """Let a module's attributes be what they were; what torch keeps there itself is left alone."""
        if self._is(place):
            return
        before = dict(zip(self._names, self._values, strict=True))
        for name in [name for name in place if name not in before]:
            del place[name]
        for name, value in before.items():
            if name not in _TORCHS and (name not in place or place[name] is not value):
                place[name] = value

    def _is(self, place: dict[str, Any]) -> bool:
        """Whether it holds the very same values under the same names as before."""
        return list(place) == self._names and all(map(is_, place.values(), self._values))


class Preserved:
    """After the block, parameters, buffers and attributes of these modules are what they were before it.

    Tensors are copied when they are first seen, and again if somebody has changed them between two blocks.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = [(module, _Place(), _Place(), _Place()) for module in modules]

    def __enter__(self) -> Preserved:
        for module, parameters, buffers, attributes in self._modules:
            if module._parameters or parameters.kept:
                parameters.look(module._parameters)
            if module._buffers or buffers.kept:
                buffers.look(module._buffers)
            attributes.look(module.__dict__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with torch.no_grad():
            for module, parameters, buffers, attributes in self._modules:
                if parameters.kept:
                    parameters.put_tensors_back(module._parameters)
                if buffers.kept:
                    buffers.put_tensors_back(module._buffers)
                if attributes.kept:
                    attributes.put_tensors_back(module.__dict__)
        for module, _, _, attributes in self._modules:
            attributes.put_attributes_back(module.__dict__)


def _equal(a: Tensor, b: Tensor) -> bool:
    """As `torch.equal`, which looks at one number after the other; of two CPU tensors of one shape and type."""
    if a.numel() < _LARGE or a.dtype not in _NUMPYS or a.layout != torch.strided or type(a) not in _PLAIN:
        return torch.equal(a, b)
    return bool((a.detach().numpy() == b.numpy()).all())


def kept_inputs(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Copies of the arguments of a call, or None if they cannot be copied."""
    try:
        return copy.deepcopy((detached(inputs), detached(dict(named))))
    except (TypeError, RuntimeError):  # generators, open files, tensors of other kinds
        return None
