"""Copies: of modules with new initial weights, of inputs without their past, of states without aliases."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from operator import is_
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from pbgraph.dendrites.errors import SiteError
from pbgraph.dendrites.hooks import drop_hooks
from pbgraph.dendrites.proxy import part_of

MakeModule = Callable[[nn.Module], nn.Module]

Reset = Literal["parent"] | Callable[[nn.Module], None] | None


def copy_of(module: nn.Module) -> nn.Module:
    """A deep copy; tensors with a past that it keeps (attention weights, say) are cut in it, which torch refuses."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in part.__dict__.values():
            for tensor in tensors_in(value):
                if tensor.grad_fn is not None:
                    memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(module, memo)


def fresh_copy(module: nn.Module, *, scale: float = 1.0, reset: Reset = None) -> nn.Module:
    """A trainable copy of `module` with new initial weights, drawn from torch's current random stream.

    Every part's ``reset_parameters()`` (or ``_reset_parameters()``, as torch's attention calls it) is called, inner
    parts first, so that a module that initialises its parts in its own way has the last word. Parameters that none of
    them draws anew (all are NaN beforehand, so what is NaN afterwards was forgotten) are drawn by `reset`: a function
    that is called with the part they are of, or "parent", which hands out the values of the module itself in a random
    order. The latter is what weights behind weight_norm and spectral_norm get anyway. Weights with two axes or more
    are then multiplied by `scale`. Raises SiteError for a parameter that nothing draws anew.
    """
    if lazy := [name for name, parameter in module.named_parameters() if is_lazy(parameter)]:
        raise SiteError(f"its {lazy[0]} has no shape yet: run one batch through the model before it is perforated")
    fresh = copy_of(module).requires_grad_(True)
    drop_hooks(fresh)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.fill_(torch.nan)
    for part in reversed(list(fresh.modules())):
        _reset_part(part)
    _reset_forgotten(module, fresh, reset)
    for (_, buffer), (_, before) in zip(fresh.named_buffers(), module.named_buffers(), strict=True):
        if buffer.is_floating_point() and buffer.isnan().any():  # computed from weights that were not there yet
            buffer.copy_(before)
    if left := _forgotten(fresh):
        owner = type(part_of(fresh, left[0].rpartition(".")[0])).__name__
        raise SiteError(
            f"no reset_parameters() draws its {left[0]} anew, so a dendrite could not start from weights of its own: "
            f"give {owner} that method, pass perforate a reset (a function that draws it, or 'parent' for the layer's "
            "own values in a random order), or leave the site out"
        )
    _scale_weights(fresh, scale)
    return fresh


def module_of(make: MakeModule, parent: nn.Module, *, scale: float = 1.0) -> nn.Module:
    """What `make` gives for a dendrite of `parent`, trainable, of its type and on its device; weights as `fresh_copy`.

    Raises SiteError if that is no module with parameters of its own.
    """
    module = make(parent)
    if not isinstance(module, nn.Module) or not list(module.parameters()):
        raise SiteError(f"its dendrite is to be a {type(module).__name__}; return a module with parameters")
    if shared := {id(p) for p in parent.parameters()} & {id(p) for p in module.parameters()}:
        raise SiteError(f"its dendrite shares {len(shared)} parameters with it: make new ones in every call")
    like = next(parent.parameters())
    module = module.to(like.device, like.dtype).requires_grad_(True)
    _scale_weights(module, scale)
    return module


def _scale_weights(module: nn.Module, scale: float) -> None:
    if scale != 1.0:
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(scale)


def _reset_part(part: nn.Module) -> None:
    """By its own method; one that only passes for another module has none."""
    for name in ("reset_parameters", "_reset_parameters"):
        if hasattr(type(part), name) or name in part.__dict__:
            getattr(part, name)()
            return


def _forgotten(fresh: nn.Module) -> list[str]:
    return [name for name, parameter in fresh.named_parameters() if parameter.isnan().any()]


def _reset_forgotten(module: nn.Module, fresh: nn.Module, reset: Reset) -> None:
    """Draw what the parts' own methods left out, as `reset` says; what lies behind a re-parametrisation in any case."""
    originals, drawn = dict(module.named_parameters()), dict(fresh.named_parameters())
    called: set[nn.Module] = set()
    for name in _forgotten(fresh):
        owner = part_of(fresh, name.rpartition(".")[0])
        if callable(reset):
            if owner not in called:
                reset(owner)
            called.add(owner)
        elif reset == "parent" or _reparametrised(owner):
            parameter, values = drawn[name], originals[name].detach().flatten()
            with torch.no_grad():
                parameter.copy_(values[torch.randperm(len(values)).to(values.device)].view_as(parameter))


def _reparametrised(owner: nn.Module) -> bool:
    """Whether a module's parameters are what torch's weight_norm, spectral_norm and their like compute a weight of."""
    hooks = (type(hook).__module__ for hook in owner._forward_pre_hooks.values())
    return isinstance(owner, parametrize.ParametrizationList) or any(name.startswith(_HOOKED) for name in hooks)


_HOOKED = ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm")


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in it changed; looks into containers and dataclasses.

    Anything in which nothing changes is returned as it is.
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        items = [mapped(item, change) for item in value]
        if all(map(is_, items, value)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changed = {name: mapped(item, change) for name, item in fields.items()}
        changed = {name: item for name, item in changed.items() if item is not fields[name]}
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, dict):
        pairs = {key: mapped(item, change) for key, item in value.items()}
        return value if all(new is value[key] for key, new in pairs.items()) else _as_dict(value, pairs)
    return value


def _as_dict(like: dict[Any, Any], pairs: dict[Any, Any]) -> dict[Any, Any]:
    """A dictionary of the same kind, if that kind can be copied."""
    changed = copy.copy(like)
    changed.update(pairs)
    return changed


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors of containers and dataclasses, in order."""
    tensors: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    mapped(value, keep)
    return tensors


def is_plain(tensor: Tensor) -> bool:
    """Whether it is one block of numbers, rather than sparse or nested."""
    return tensor.layout == torch.strided and not tensor.is_nested


def detached(value: Any) -> Any:
    """`value` with every tensor in it cut from the graph; copies no data."""
    return mapped(value, _cut)


def _cut(tensor: Tensor) -> Tensor:
    return tensor.detach() if tensor.requires_grad else tensor


def copied(state: Any) -> Any:
    """A nested state whose tensors share no memory with those of `state`."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: copied(item) for key, item in state.items()}
    if isinstance(state, (tuple, list)) and not hasattr(state, "_fields"):
        return type(state)(copied(item) for item in state)
    return mapped(state, copied)
