"""Several processes that train one network, each on its share of every batch (torch.distributed).

In neuron phases the caller's DistributedDataParallel averages gradients. In dendrite phases every process takes in
the statistics of all patterns of all processes, and candidates' gradients add up, so that all take the step that one
process would take on the joined batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pbgraph.dendrites.objective import Moments, products


@dataclass(frozen=True)
class Processes:
    """A process group, or None for a process that is alone."""

    group: Any = None

    @property
    def count(self) -> int:
        """Number of processes."""
        return 1 if self.group is None else dist.get_world_size(self.group)

    def merged(self, own: Moments) -> Moments:
        """Moments over the patterns of all processes."""
        if self.group is None:
            return own
        total = self._sum(torch.tensor([float(own.patterns)], device=own.mean.device))
        patterns = int(total.item())
        mean = self._sum(own.mean * own.patterns) / max(patterns, 1)
        return Moments(mean, self._sum(own.sums + products(own.mean - mean) * own.patterns), patterns)

    def total(self, values: Tensor) -> Tensor:
        """Their sum over all processes."""
        return values if self.group is None else self._sum(values)

    def any(self, happened: bool, *, like: Tensor) -> bool:
        """Whether it happened in one of the processes; asked on the device of a tensor."""
        return happened if self.group is None else bool(self._sum(torch.tensor(float(happened), device=like.device)))

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes; a gradient that is missing counts as 0."""
        if self.group is None:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad, group=self.group)

    def _sum(self, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value, group=self.group)
        return value
