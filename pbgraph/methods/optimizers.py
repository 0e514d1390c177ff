"""The optimiser of gradient-trained arms, and at which rates its groups of parameters learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pbgraph.errors import UsageError
from pbgraph.methods.training import TrainSettings
from pbgraph.models.head import HEAD_PARTS


def make_optimizer(settings: TrainSettings, network: nn.Module) -> Callable[[Any], torch.optim.Optimizer]:
    """Parameters of the network, or groups of them -> AdamW, by which its head learns at `head_rate` times the rate."""

    def make(parameters: Any) -> torch.optim.Optimizer:
        groups = parameters if settings.head_rate == 1.0 else rate_groups(settings, network, list(parameters))
        return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)

    return make


def rate_groups(settings: TrainSettings, network: nn.Module, groups: list[Any]) -> list[dict[str, Any]]:
    """Parameters, or groups of them -> groups, each of the head or of the rest, with their learning rates.

    The head is the network's parts named head, hidden and logits, with the dendrites on them; candidates, which have
    an objective of their own, learn at the plain rate. Raises UsageError if there is no such part.
    """
    head = {id(p) for name, p in network.named_parameters() if _in_head(name)}
    if not any(name in HEAD_PARTS for name, _ in network.named_children()):
        raise UsageError(
            f"head_rate is {settings.head_rate}, but {type(network).__name__} has no part named "
            f"{', '.join(HEAD_PARTS)} that would be its head; leave head_rate at 1"
        )
    whole = groups if groups and isinstance(groups[0], dict) else [{"params": groups}]
    made = []
    for group in whole:
        for factor, of_head in ((1.0, False), (settings.head_rate, True)):
            if own := [p for p in group["params"] if (id(p) in head) == of_head]:
                made.append({**group, "params": own, "lr": settings.learning_rate * factor, "factor": factor})
    return made


def _in_head(name: str) -> bool:
    first, *others = name.split(".")
    return first in HEAD_PARTS and "candidates" not in others


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the learning rate of the coming step, times its factor if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"] if "factor" in group else rate
