"""One dendrite of every neuron of a site, and how dendrites take part in forward and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule, Reset, fresh_copy, module_of
from pbgraph.dendrites.outputs import opened

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}
Errors = Literal["perforated", "through"]


@dataclass(frozen=True)
class Role:
    """How the accepted dendrites of a site take part in the backward pass of the task's loss.

    errors     "perforated": none flows through a dendrite; "through": as in any network
    trainable  whether the dendrites' own weights get gradients
    """

    errors: Errors = "perforated"
    trainable: bool = False


class Deputy(nn.Module):
    """Stands where a user's module stood, its `principal`, and passes for it.

    It answers for the principal's attributes (in_features, weight, ...), takes over those that are set, and is an
    instance of the principal's class, since networks ask: ``isinstance(layer, nn.Linear)``, ``layer.weight = other``.
    What a deputy sets before its principal is its own.
    """

    principal_name = "parent"

    def __init__(self) -> None:
        super().__init__()
        self._modules[self.principal_name] = None  # the first part, whenever it is set

    @property
    def principal(self) -> nn.Module:
        """The module that it stands for."""
        return self._modules[self.principal_name]  # type: ignore[return-value]

    @property
    def __class__(self) -> type:
        """For isinstance; type() tells what it is."""
        principal = self.__dict__.get("_modules", {}).get(self.principal_name)
        return type(self) if principal is None else principal.__class__

    @__class__.setter
    def __class__(self, kind: type) -> None:
        object.__dict__["__class__"].__set__(self, kind)

    def __getattr__(self, name: str) -> Any:
        if name in (modules := self.__dict__.get("_modules", ())):  # the shortest way to what every call needs
            return modules[name]
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or self.principal_name not in self.__dict__.get("_modules", {}):
                raise
            return getattr(self.principal, name)

    def __setattr__(self, name: str, value: Any) -> None:
        principal = self.__dict__.get("_modules", {}).get(self.principal_name)
        own = name in self.__dict__ or name in self._modules or hasattr(type(self), name) if principal else True
        if own or not hasattr(principal, name):
            super().__setattr__(name, value)
        else:
            setattr(principal, name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _blank, (type(self),), self.__dict__

    def _get_name(self) -> str:
        return type(self).__name__


def _blank(kind: type[Deputy]) -> Deputy:
    return kind.__new__(kind)


class Dendrite(nn.Module):
    """One dendrite of every neuron of a site: M_k (`module`) and the weights u_kj from its k predecessors (`cascade`).

    parent      the module M that it is a fresh copy of
    channels    C
    axis        the neurons' axis in what M returns, counted from the last one, -1
    activation  name of g
    init_scale  factor on the initial weights of M_k that have two axes or more
    make        parent -> M_k, if it is not to be a copy
    reset       how weights are drawn that the module cannot draw itself, see `pbgraph.dendrites.copies`
    accepted    whether it is a fixed function by now, rather than something in training
    """

    def __init__(
        self,
        parent: nn.Module,
        *,
        channels: int,
        predecessors: int,
        activation: str,
        axis: int = -1,
        init_scale: float = 1.0,
        reset: Reset = None,
        make: MakeModule | None = None,
    ) -> None:
        super().__init__()
        if make is None:
            self.module = fresh_copy(parent, scale=init_scale, reset=reset)
        else:
            self.module = module_of(make, parent, scale=init_scale)
        self.cascade = nn.ParameterList(zeros(parent, channels) for _ in range(predecessors))
        self.activation, self.axis = activation, axis
        self.accepted = False
        self.training = parent.training

    def forward(self, earlier: Sequence[Tensor], inputs: Sequence[Any], named: dict[str, Any]) -> tuple[Tensor, Any]:
        """(activations a_1 .. a_{k-1}, inputs of the site) -> (a_k, all that M_k returned)."""
        output = self.module(*inputs, **named)
        z = opened(output)
        for u, a in zip(self.cascade, earlier, strict=True):
            z = add_scaled(z, u, a, self.axis)
        return ACTIVATIONS[self.activation](z), output

    def accept(self, *, trainable: bool = False) -> Dendrite:
        """Make it part of the network: a fixed function unless it is `trainable`; returns itself."""
        self.requires_grad_(trainable).zero_grad(set_to_none=True)
        self.accepted = not trainable
        return self.train(self.training)

    def train(self, mode: bool = True) -> Dendrite:
        """As of any module, except that the statistics of a fixed function stay frozen."""
        super().train(mode)
        if self.accepted:
            freeze_statistics(self.modules())
        return self


def add_scaled(y: Tensor, weight: Tensor, a: Tensor, axis: int) -> Tensor:
    """Y + weight ⊙ a, with weight (C,) along `axis` of y and a; the type of y is kept, as autocast requires."""
    if y.is_nested and y.layout == torch.strided:  # torch's encoders nest sequences of unequal length
        pairs = zip(y.unbind(), a.unbind(), strict=True)
        return torch.nested.as_nested_tensor([add_scaled(one, weight, own, axis) for one, own in pairs])
    if axis != -1:
        weight = weight.reshape(-1, *[1] * (-axis - 1))
    return torch.addcmul(y, weight.to(y.dtype), a.to(y.dtype))


def zeros(module: nn.Module, channels: int) -> Tensor:
    """(C,) zeros of the type and on the device of the module's weights."""
    return next(module.parameters()).new_zeros(channels)


def freeze_statistics(modules: Iterable[nn.Module]) -> None:
    """Let the normalisation layers among `modules` use their running statistics and leave them as they are."""
    for module in modules:
        if module._buffers.get("running_mean") is not None:
            module.eval()
