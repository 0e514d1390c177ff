"""A network that stands still: what a step changes in it is put back.

A forward pass may move more than its module's statistics: codebooks that are parameters without gradients, buffers
written behind autograd's back (``buffer.data.mul_``), observers of quantisation, counters. So parameters and buffers
are compared by value, and so are tensors that modules keep as plain attributes; every other attribute, be it a number,
None or a tuple of states, is made what it was, and one that was not there is taken away. What changes within a list or
an object of the network's own cannot be put back: `pbgraph.dendrites.example.Probe` finds it.

Comparing all weights takes a tenth of a small network's step and more, and hardly a network writes to weights that are
trained; if one does, then in every pass, by an operation that torch counts, or into other memory. So of *weights* the
content is compared after the first block, when `settle` is called, and where torch's count or the memory is another.
One that was found changed uncounted is compared after every block.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
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
    """A tensor of a module: the version of its content that was copied, and the copy.

    weight  whether it is one that seldom has to be compared
    place   in memory, if it need not be until that or the version changes
    """

    tensor: Tensor
    version: int
    value: Tensor
    weight: bool
    place: int | None = None

    @classmethod
    def of(cls, tensor: Tensor, *, weight: bool) -> _Kept:
        plain = type(tensor) in _PLAIN and tensor.layout == torch.strided
        return cls(tensor, tensor._version, tensor.detach().clone(), weight and plain)

    @property
    def counted(self) -> bool:
        """Whether torch has counted a change since."""
        return self.tensor._version != self.version

    def put_back(self) -> None:
        if self.place is None or self.counted or self.tensor.data_ptr() != self.place:
            self.compare()

    def compare(self) -> None:
        """Let the content be what it was."""
        counted = self.counted
        changed = self.tensor.shape != self.value.shape or self.tensor.dtype != self.value.dtype
        if changed:
            self.tensor.data = self.value.clone()
        elif (self.tensor.device.type != "cpu" and not self.weight) or not _equal(self.tensor, self.value):
            self.tensor.copy_(self.value)  # to compare would make another device wait
            changed = True
        self.version = self.tensor._version
        if self.weight:
            self.weight = counted or not changed
            self.place = self.tensor.data_ptr() if self.weight else None


class _Place:
    """One of the dictionaries in which a module keeps what it has, and what was in it.

    A step seldom changes any, so it is first looked at as a whole: the same names with the very same values.
    """

    def __init__(self, weights: Collection[int]) -> None:
        self._weights = weights
        self._names: list[str] = []
        self._values: list[Any] = []
        self.kept: dict[str, _Kept] = {}

    def look(self, place: dict[str, Any]) -> None:
        """Keep what is there."""
        if not self._is(place):
            known, self._names, self._values = self.kept, list(place), list(place.values())
            self.kept = {
                name: known[name] if name in known and known[name].tensor is value else self._kept(value)
                for name, value in place.items()
                if isinstance(value, Tensor) and not value.is_inference()
            }
        for name, kept in self.kept.items():
            if kept.counted:  # by somebody else
                self.kept[name] = self._kept(kept.tensor)

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

    def _kept(self, tensor: Tensor) -> _Kept:
        return _Kept.of(tensor, weight=id(tensor) in self._weights)

    def _is(self, place: dict[str, Any]) -> bool:
        """Whether it holds the very same values under the same names as before."""
        return list(place) == self._names and all(map(is_, place.values(), self._values))


class Preserved:
    """After the block, parameters, buffers and attributes of these modules are what they were before it.

    Tensors are copied when they are first seen, and again if somebody has changed them between two blocks.
    weights  those of their parameters that seldom have to be compared, see above
    """

    def __init__(self, modules: Iterable[nn.Module], *, weights: Iterable[nn.Parameter] = ()) -> None:
        self._weights = {id(weight): weight for weight in weights}  # themselves too, so that no other has their place
        kept = self._weights
        self._modules = [(module, _Place(kept), _Place(kept), _Place(kept)) for module in modules]

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

    def settle(self) -> None:
        """Compare weights too, and let them be what they were; not those that torch has counted as changed since."""
        with torch.no_grad():
            for _, parameters, _, _ in self._modules:
                for kept in parameters.kept.values():
                    if kept.weight and not kept.counted:
                        kept.compare()


def _equal(a: Tensor, b: Tensor) -> bool:
    """As `torch.equal`, which looks at one number of a CPU after the other; of two tensors of one shape and type."""
    plain = a.layout == torch.strided and type(a) in _PLAIN and a.device.type == "cpu"
    if a.numel() < _LARGE or a.dtype not in _NUMPYS or not plain:
        return torch.equal(a, b)
    return bool((a.detach().numpy() == b.numpy()).all())


def kept_inputs(inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Copies of the arguments of a call, or None if they cannot be copied."""
    try:
        return copy.deepcopy((detached(inputs), detached(dict(named))))
    except (TypeError, RuntimeError):  # generators, open files, tensors of other kinds
        return None
