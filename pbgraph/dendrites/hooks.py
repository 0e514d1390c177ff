"""Hooks that somebody registered on a layer before it became a site: they are meant for what stands there.

A hook of the layer's own would miss what dendrites add, and one in a copy of the layer would be called for a dendrite
(``features[name] = output``). What torch.nn.utils computes a layer's weights by (weight_norm, spectral_norm, pruning)
belongs to the layer and stays with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

_KINDS = {
    "_forward_hooks": ("_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    "_forward_pre_hooks": ("_forward_pre_hooks_with_kwargs",),
    "_backward_hooks": (),
    "_backward_pre_hooks": (),
}
_LAYERS_OWN = ("torch.nn.utils.", "pbgraph.dendrites.")


def pass_hooks(source: nn.Module, target: nn.Module) -> None:
    """Let the hooks of one module be those of another; handles by which they can be removed stay good."""
    for kind, marks in _KINDS.items():
        hooks = source.__dict__[kind]
        if not (passed := [key for key, hook in hooks.items() if not _is_layers_own(hook)]):
            continue
        if kind == "_backward_hooks":
            target.__dict__["_is_full_backward_hook"] = source.__dict__["_is_full_backward_hook"]
        for name in (kind, *marks):
            theirs, own = source.__dict__[name], target.__dict__[name]
            source.__dict__[name] = OrderedDict((key, theirs.pop(key)) for key in list(theirs) if key not in passed)
            theirs.update(own)
            target.__dict__[name] = theirs  # the very dictionary, to which the handles point


def drop_hooks(module: nn.Module) -> None:
    """Take the hooks away that are no part of what a module and its parts compute their weights by."""
    for part in module.modules():
        pass_hooks(part, nn.Identity())


def _is_layers_own(hook: Callable[..., Any]) -> bool:
    function = hook.func if isinstance(hook, partial) else hook
    return any(
        (getattr(owner, "__module__", "") or "").startswith(_LAYERS_OWN)
        for owner in (function, *type(function).__mro__)
    )
