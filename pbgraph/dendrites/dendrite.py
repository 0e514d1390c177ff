"""One dendrite of every neuron of a site, and how dendrites take part in forward and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import MakeModule, Reset, detached, fresh_copy, module_of
from pbgraph.dendrites.outputs import opened

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}
Arguments = tuple[Sequence[Any], dict[str, Any]]
Errors = Literal["perforated", "through"]


@dataclass(frozen=True)
class Role:
    """How the accepted dendrites of a site take part in the backward pass of the task's loss.

    errors     "perforated": none flows through a dendrite; "through": as in any network
    trainable  whether the dendrites' own weights get gradients
    """

    errors: Errors = "perforated"
    trainable: bool = False


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
        z = with_scaled(z, self.cascade, earlier, axis=self.axis)
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


def activated(
    dendrites: Iterable[nn.Module], arguments: Iterable[Arguments], *, apart: bool
) -> tuple[list[Tensor], list[Any]]:
    """(a_1 .. a_K, what the module of each dendrite returned), each called with arguments of its own.

    apart  whether no error flows from a dendrite to those before it
    """
    activations: list[Tensor] = []
    returned = []
    for dendrite, (inputs, named) in zip(dendrites, arguments, strict=True):
        a, output = dendrite(detached(activations) if apart else activations, inputs, named)
        activations.append(a)
        returned.append(output)
    return activations, returned


def with_scaled(y: Tensor, weights: nn.ParameterList, activations: Sequence[Tensor], *, axis: int) -> Tensor:
    """Y + Σ_k weight_k ⊙ a_k."""
    if not activations and not len(weights):
        return y
    own: Iterable[Tensor] = weights._parameters.values()  # type: ignore[assignment]
    if len(weights._parameters) != len(weights):  # as where somebody keeps tensors in the place of parameters
        own = weights
    for weight, a in zip(own, activations, strict=True):
        y = add_scaled(y, weight, a, axis=axis)
    return y


def add_scaled(y: Tensor, weight: Tensor, a: Tensor, *, axis: int) -> Tensor:
    """Y + weight ⊙ a, with weight (C,) along `axis` of y and a; the type of y is kept, as autocast requires."""
    if y.is_nested and y.layout == torch.strided:  # torch's encoders nest sequences of unequal length
        pairs = zip(y.unbind(), a.unbind(), strict=True)
        return torch.nested.as_nested_tensor([add_scaled(item, weight, own, axis=axis) for item, own in pairs])
    if axis != -1:
        weight = weight.reshape(-1, *[1] * (-axis - 1))
    dtype = y.dtype
    if weight.dtype != dtype:
        weight = weight.to(dtype)
    return torch.addcmul(y, weight, a if a.dtype == dtype else a.to(dtype))


def zeros(module: nn.Module, channels: int) -> Tensor:
    """(C,) zeros of the type and on the device of the module's weights."""
    return next(module.parameters()).new_zeros(channels)


def freeze_statistics(modules: Iterable[nn.Module]) -> None:
    """Let the normalisation layers among `modules` use their running statistics and leave them as they are."""
    for module in modules:
        if module._buffers.get("running_mean") is not None:
            module.eval()
