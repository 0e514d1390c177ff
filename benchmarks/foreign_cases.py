"""Networks of other people as cases for the checks: how each is made, and an example of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Case:
    """A network to be checked.

    example  the arguments of one call, as of `perforate`
    options  further arguments of `perforation_checks`: sites, reset, settings of growth
    said     what of the options has to be known by whoever reads the table
    """

    model: nn.Module
    example: Any
    loss: Callable[..., Tensor] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""


Make = Callable[[], Case]


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape)
