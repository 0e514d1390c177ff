"""Comparison of one of our networks with an independent one that is given its weights."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pbgraph.graph import GraphBatch
from pbgraph.models.base import MODELS
from pbgraph.testing import DIMS, as_batch, as_double, molecules

# (pattern of our name, their name) or, for their concatenated weights, (our pattern, their name, number of the part)
Renamed = list[tuple[str, str]]


def double_batch() -> GraphBatch:
    """Molecules of several sizes, one of a single atom, in float64."""
    return as_double(as_batch(molecules([5, 1, 9, 3, 12])))


def double_model(name: str, **config: object) -> nn.Module:
    """Our network without dropout, in training mode."""
    architecture = MODELS.get(name)
    torch.manual_seed(0)
    return architecture.build(DIMS, architecture.config(dropout=0.0, **config)).double().train()


def assert_same(
    ours: nn.Module, theirs: nn.Module, *, renamed: Renamed, run: Callable[[nn.Module, GraphBatch], Tensor]
) -> None:
    """Their outputs, and their gradients of every parameter, are ours once they have our weights.

    renamed  (pattern of our parameters' names, replacement) pairs, all applied in turn; "name[i]" is the i-th third of
             their parameter `name`
    run      (their network, batch) -> logits
    """
    theirs, batch = theirs.double().train(), double_batch()
    names = {name: their_name(name, renamed) for name, _ in ours.named_parameters()}
    parameters = dict(theirs.named_parameters())
    assert {name.partition("[")[0] for name in names.values()} == set(parameters)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            part = their_part(parameters, names[name])
            part.copy_(parameter.view_as(part))
    our_logits, their_logits = ours(batch), run(theirs, batch)
    torch.testing.assert_close(our_logits, their_logits, rtol=1e-9, atol=1e-10)
    probe = torch.linspace(-1, 1, our_logits.numel(), dtype=torch.float64).view_as(our_logits)
    for logits in (our_logits, their_logits):
        (logits * probe).sum().backward()
    gradients = {name: parameter.grad for name, parameter in parameters.items()}
    for name, parameter in ours.named_parameters():
        theirs_of_it = their_part(gradients, names[name]).reshape(parameter.shape)
        torch.testing.assert_close(
            parameter.grad, theirs_of_it, rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def their_name(name: str, renamed: Renamed) -> str:
    for pattern, replacement in renamed:
        name = re.sub(pattern, replacement, name)
    return name


def their_part(tensors: dict[str, Tensor], name: str) -> Tensor:
    name, _, part = name.partition("[")
    return tensors[name].chunk(3)[int(part[0])] if part else tensors[name]
