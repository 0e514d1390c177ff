"""The errors δ = ∂L/∂y' of sites, for every call of a forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pbgraph.dendrites.errors import SiteError, unreached_sites
from pbgraph.dendrites.forward import Call


def output_gradients(loss: Tensor, calls: Mapping[str, Sequence[Call]]) -> dict[str, list[Tensor]]:
    """δ (..., C) of every call, by site; zeros for a call without influence on the loss.

    Sites none of whose calls has any are left out. Raises SiteError for a loss without gradient.
    """
    if not loss.requires_grad:
        raise unreached_sites(list(calls))
    outputs = [call.output for own in calls.values() for call in own]
    try:
        gradients = torch.autograd.grad(loss, outputs, allow_unused=True) if outputs else ()
    except RuntimeError as error:
        if "heckpoint" in str(error):
            raise SiteError(
                "a part of the network is checkpointed with use_reentrant=True, where the errors of sites cannot be "
                "seen: checkpoint with use_reentrant=False"
            ) from error
        raise
    left = iter(gradients)
    return filled(calls, {name: [next(left) for _ in own] for name, own in calls.items()})


def filled(
    calls: Mapping[str, Sequence[Call]], gradients: Mapping[str, Sequence[Tensor | None]]
) -> dict[str, list[Tensor]]:
    """δ of every call, by site: zeros for a call without influence on the loss; no site none of whose calls has any."""
    return {
        name: [torch.zeros_like(call.output) if delta is None else delta for call, delta in pairs]
        for name, own in calls.items()
        if (pairs := list(zip(own, gradients[name], strict=True))) and any(delta is not None for _, delta in pairs)
    }
