"""Copies: of modules with new initial weights, of inputs without their past, of states without aliases."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pbgraph.dendrites.errors import SiteError

MakeModule = Callable[[nn.Module], nn.Module]


def fresh_copy(module: nn.Module, *, scale: float = 1.0) -> nn.Module:
    """A trainable copy of `module` with new initial weights, drawn from torch's current random stream.

    Every part's ``reset_parameters()`` (or ``_reset_parameters()``, as torch's attention calls it) is called, inner
    parts first, so that a module that initialises its parts in its own way has the last word. Weights with two axes
    or more are then multiplied by `scale`. Raises SiteError for a parameter that none of them draws anew: all are
    NaN beforehand, so what is NaN afterwards was forgotten.
    """
    if lazy := [name for name, parameter in module.named_parameters() if is_lazy(parameter)]:
        raise SiteError(f"its {lazy[0]} has no shape yet: run one batch through the model before it is perforated")
    made = copy.deepcopy(module).requires_grad_(True)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(torch.nan)
    for part in reversed(list(made.modules())):
        reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
        if callable(reset):
            reset()
    if left := [name for name, parameter in made.named_parameters() if parameter.isnan().any()]:
        owner = type(made.get_submodule(left[0].rpartition(".")[0])).__name__
        raise SiteError(
            f"no reset_parameters() draws its {left[0]} anew, so a dendrite could not start from weights of its own: "
            f"give {owner} that method, or leave the site out"
        )
    _scale_weights(made, scale)
    return made


def module_of(make: MakeModule, parent: nn.Module, *, scale: float = 1.0) -> nn.Module:
    """What `make` gives for a dendrite of `parent`, trainable, of its type and on its device; weights as `fresh_copy`.

    Raises SiteError if that is no module with parameters of its own.
    """
    made = make(parent)
    if not isinstance(made, nn.Module) or not list(made.parameters()):
        raise SiteError(f"its dendrite is to be a {type(made).__name__}; return a module with parameters")
    if shared := {id(p) for p in parent.parameters()} & {id(p) for p in made.parameters()}:
        raise SiteError(f"its dendrite shares {len(shared)} parameters with it: make new ones in every call")
    like = next(parent.parameters())
    made = made.to(like.device, like.dtype).requires_grad_(True)
    _scale_weights(made, scale)
    return made


def _scale_weights(module: nn.Module, scale: float) -> None:
    if scale != 1.0:
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(scale)


def detached(value: Any) -> Any:
    """`value` with every tensor in it cut from the graph; looks into containers and dataclasses, copies no data.

    Anything that needs no cut is returned as it is.
    """
    if isinstance(value, Tensor):
        return value.detach() if value.requires_grad else value
    if isinstance(value, (tuple, list)):
        items = [detached(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: detached(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        cut = {name: detached(item) for name, item in fields.items()}
        changed = {name: item for name, item in cut.items() if item is not fields[name]}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def copied(state: Any) -> Any:
    """A nested state whose tensors share no memory with those of `state`."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: copied(item) for key, item in state.items()}
    if isinstance(state, (tuple, list)):
        return type(state)(copied(item) for item in state)
    return state
