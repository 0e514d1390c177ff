"""What modules return, and where in it the neurons are.

The output y of a site is the tensor that it returns, or the first tensor of a tuple: of ``(attention output,
weights)``, of ``(output, h_n)`` of a GRU or LSTM, of the data of a packed sequence. All else is handed on as it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import tensors_in
from pbgraph.dendrites.errors import SiteError

_CONVOLUTION_AXES = {
    nn.Conv1d: -2,
    nn.ConvTranspose1d: -2,
    nn.Conv2d: -3,
    nn.ConvTranspose2d: -3,
    nn.Conv3d: -4,
    nn.ConvTranspose3d: -4,
}
_KEEP_AXES = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.Identity,
    nn.modules.dropout._DropoutNd,
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.GELU,
    nn.ELU,
    nn.LeakyReLU,
    nn.SiLU,
)


def opened(value: Any) -> Any:
    """The tensor y in what a module returned; a value without one is returned as it is."""
    while isinstance(value, tuple) and value:
        value = value[0]
    return value


def replaced(value: Any, y: Tensor) -> Any:
    """What a module returned, with y in the place of its own."""
    if not isinstance(value, tuple):
        return y
    items = (replaced(value[0], y), *value[1:])
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def neurons_last(y: Tensor, axis: int) -> Tensor:
    """Values whose neurons are on `axis`, counted from the last, -1 -> the same with neurons on the last axis."""
    return y if axis == -1 else y.movedim(axis, -1)


def rows_of(y: Tensor, axis: int) -> Tensor:
    """Values whose neurons are on `axis`, counted from the last, -1 -> (P, C), all other axes joined."""
    last = neurons_last(y, axis)
    return last.reshape(-1, last.shape[-1])


def neuron_axis(module: nn.Module) -> int:
    """The axis of the output of `module` that holds its neurons, counted from the last one, -1.

    A class says so by an attribute ``neuron_axis``. Convolutions have their channels before the positions; of a
    Sequential the last layer that decides counts; all else ends with its neurons.
    Raises SiteError for another module that has convolutions in it: there the axis cannot be told.
    """
    if (declared := getattr(module, "neuron_axis", None)) is not None:
        return _valid(module, declared)
    for kind, axis in _CONVOLUTION_AXES.items():
        if isinstance(module, kind):
            return axis
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        deciding = [child for child in module if not isinstance(child, _KEEP_AXES)]
        return neuron_axis(deciding[-1]) if deciding else -1
    if any(isinstance(part, tuple(_CONVOLUTION_AXES)) for part in module.modules()):
        raise SiteError(
            f"it is a {type(module).__name__} with convolutions in it, so it cannot be told which axis of its output "
            "holds the neurons: set neuron_axis (e.g. -3 for images, -1 for the last axis) on its class, or make "
            "the layers in it sites"
        )
    return -1


def _valid(module: nn.Module, declared: Any) -> int:
    if not isinstance(declared, int) or declared >= 0:
        raise SiteError(
            f"{type(module).__name__}.neuron_axis is {declared!r}; give a negative whole number, -1 being the last axis"
        )
    return declared


def same_output(a: Any, b: Any) -> bool:
    """Whether two nested outputs are equal bit for bit; NaN is equal to NaN."""
    ours, theirs = tensors_in(a), tensors_in(b)
    if not ours and not theirs:
        return type(a) is type(b) and (isinstance(a, tuple | list | dict) or bool(a == b))
    return len(ours) == len(theirs) and all(map(_identical, ours, theirs))


def _identical(a: Tensor, b: Tensor) -> bool:
    if a.is_nested or b.is_nested:
        return a.is_nested and b.is_nested and same_output(list(a.unbind()), list(b.unbind()))
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = (tensor.to_dense() if tensor.layout != torch.strided else tensor for tensor in (a, b))
    return torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())
