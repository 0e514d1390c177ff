"""Stacked export: a layer and its dendrites as one product, for predictions.

A linear layer or convolution M with weight W and dendrites of its kind compute [W; W₁; …; W_K] x at once. For
g = tanh the dendrites' rows are doubled, since

    tanh(z) = 2σ(2z) − 1,        y' = (b − Σ_k w_k) + W x + Σ_k 2 w_k σ(2 z_k),

and σ is the cheaper function by far on a CPU; cascade weights u_kj become 4 u_kj, and their offsets go into the biases.
Batch normalisations that follow, in evaluation, are put into weights and biases first.

Values are the exact export's up to rounding. Sites of other kinds stay as `export` makes them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pbgraph.dendrites.dendrite import ACTIVATIONS, Dendrite, add_scaled
from pbgraph.dendrites.discovery import in_turn
from pbgraph.dendrites.sites import Site

_PLAIN = (int, float, str, bool, tuple)  # attributes that a network may ask its layer for: in_features, kernel_size
_LAYERS: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

_OWN = ("layer", "w", "u")


class Stacked(nn.Module):
    """y' = M(x) + Σ_k w_k ⊙ a_k, with one layer for M and all M_k.

    layer   of (K + 1) C outputs: M's, then each dendrite's
    w       (K, C);  u  (K, K, C): of the activations as they are here, see above
    """

    w: Tensor
    u: Tensor

    def __init__(self, layer: nn.Module, w: Tensor, u: Tensor, *, activations: list[str], axis: int) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("w", w)
        self.register_buffer("u", u)
        self.__axis = axis
        self.__functions = [ACTIVATIONS[name] for name in activations]
        self.__alike = self.__functions[0] if not bool(u.any()) and len(set(activations)) == 1 else None

    def forward(self, input: Tensor) -> Tensor:
        """What the site returns."""
        outputs = self.layer(input)
        y: Tensor
        y, *z = outputs.chunk(len(self.__functions) + 1, self.__axis)
        if self.__alike is not None and len(z) == 1:
            return add_scaled(y, self.w[0], self.__alike(z[0]), axis=self.__axis)
        answers: list[Tensor] = []
        for k, function in enumerate(self.__functions):
            value = z[k]
            if self.__alike is None:
                for j, a in enumerate(answers):
                    value = add_scaled(value, self.u[k, j], a, axis=self.__axis)
            answers.append(function(value))
            y = add_scaled(y, self.w[k], answers[k], axis=self.__axis)
        return y


@dataclass(frozen=True, eq=False)
class _Affine:
    """A layer with what normalisations make of it: weight (C, ...) and bias (C,)."""

    layer: nn.Module
    weight: Tensor
    bias: Tensor


def stacked_site(site: Site) -> Stacked | None:
    """The site as one product, or None if it is not of such a kind."""
    parts = [_affine(module) for module in (site.parent, *(_dendrite(d).module for d in site.dendrites))]
    if not site.dendrites or any(part is None for part in parts):
        return None
    if any(hasattr(site.parent, name) for name in _OWN):  # a network may ask for them
        return None
    affine = [part for part in parts if part is not None]
    first = affine[0].layer
    if any(type(part.layer) is not type(first) or _geometry(part.layer) != _geometry(first) for part in affine):
        return None
    names = [_dendrite(d).activation for d in site.dendrites]
    w = torch.stack([weight.detach() for weight in site.w])
    weights, biases = [part.weight for part in affine], [part.bias for part in affine]
    u = _cascade(site, w)
    for k, name in enumerate(names):
        if name == "tanh":
            _double(k, weights, biases, w, u)
    layer = _layer(first, torch.cat(weights), torch.cat(biases))
    functions = ["sigmoid" if name == "tanh" else name for name in names]
    stacked = Stacked(layer, w, u, activations=functions, axis=site.axis)
    stacked.__dict__.update(
        {name: value for name, value in vars(site.parent).items() if type(value) in _PLAIN} | vars(stacked)
    )
    return stacked.train(site.training)


def _double(k: int, weights: list[Tensor], biases: list[Tensor], w: Tensor, u: Tensor) -> None:
    """Make dendrite k one of σ, in place: a_k = 2 s_k − 1 with s_k = σ(2 z_k)."""
    weights[k + 1], biases[k + 1] = 2 * weights[k + 1], 2 * biases[k + 1]
    u[k] *= 2
    biases[0] = biases[0] - w[k]
    w[k] *= 2
    for later in range(k + 1, len(u)):
        biases[later + 1] = biases[later + 1] - u[later, k]
        u[later, k] *= 2


def _cascade(site: Site, w: Tensor) -> Tensor:
    """(K, K, C): u_kj, 0 for j ≥ k."""
    u = w.new_zeros(len(w), *w.shape)
    for k, dendrite in enumerate(site.dendrites):
        for j, weight in enumerate(_dendrite(dendrite).cascade):
            u[k, j] = weight.detach()
    return u


def _affine(module: nn.Module) -> _Affine | None:
    """A layer followed by batch normalisations as one affine map, None for anything else."""
    layer, *norms = in_turn(module)
    if type(layer) not in _LAYERS or not all(isinstance(norm, (_BatchNorm, nn.Identity)) for norm in norms):
        return None
    if _hooked(module) or getattr(layer, "padding_mode", "zeros") != "zeros" or getattr(layer, "groups", 1) != 1:
        return None
    weight, bias = layer.get_parameter("weight").detach(), getattr(layer, "bias", None)
    shift = weight.new_zeros(len(weight)) if bias is None else bias.detach()
    for norm in norms:
        if isinstance(norm, nn.Identity):
            continue
        assert isinstance(norm, _BatchNorm)
        if norm.running_mean is None or norm.running_var is None:
            return None
        scale = (norm.running_var + norm.eps).rsqrt()
        if norm.affine:
            scale = scale * norm.weight.detach()
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        shift = (shift - norm.running_mean) * scale
        if norm.affine:
            shift = shift + norm.bias.detach()
    return _Affine(layer, weight, shift)


def _hooked(module: nn.Module) -> bool:
    """Whether more happens in a call than the layer's own arithmetic."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _geometry(layer: nn.Module) -> tuple[Any, ...]:
    names = ("in_features", "in_channels", "kernel_size", "stride", "padding", "dilation")
    return tuple(getattr(layer, name, None) for name in names)


def _layer(like: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    """A layer of this kind with other weights, which nobody trains."""
    layer = copy.deepcopy(like)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    for name in ("out_features", "out_channels"):
        if hasattr(layer, name):
            setattr(layer, name, len(weight))
    return layer


def _dendrite(module: nn.Module) -> Dendrite:
    assert isinstance(module, Dendrite)
    return module
