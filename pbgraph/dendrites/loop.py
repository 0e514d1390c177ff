"""Growth as an optimiser and a schedule, for training loops that are somebody else's.

    optimizer = growth.as_optimizer()
    for batch in loader:                        # this loop knows nothing of dendrites
        optimizer.zero_grad()
        loss_fn(growth.model, batch).backward()
        optimizer.step()
    growth.epoch_end(validation_score)

One object for the whole run, whose groups and state are those of the present phase's optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.optim.lr_scheduler import LRScheduler

from pbgraph.dendrites.errors import TrainingError


class GrowthOptimizer(torch.optim.Optimizer):
    """What `Growth.as_optimizer` returns.

    take_step  takes a step with the gradients that there are; it is told the loss if that is known

    A closure, as loops of others hand over, is evaluated once.
    """

    def __init__(self, inner: torch.optim.Optimizer, take_step: Callable[[float | None], None]) -> None:
        self._take_step = take_step
        super().__init__([{"params": list(group["params"])} for group in inner.param_groups], dict(inner.defaults))
        self.follow(inner)

    def follow(self, inner: torch.optim.Optimizer) -> None:
        """Stand for this optimiser from now on."""
        self._inner = inner
        self.param_groups, self.state, self.defaults = inner.param_groups, inner.state, inner.defaults

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the present phase; with a closure that computes loss and gradients, returns what it returned."""
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            raise TrainingError(
                "several processes train the network in a loop that is not growth's: candidates and new dendrites "
                "would differ between them; use growth.step and Growth(..., distribute=DistributedDataParallel)"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._take_step(float(loss.detach()) if isinstance(loss, torch.Tensor) else loss)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Of the present phase's optimiser."""
        return self._inner.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state of the present phase's optimiser; see `Growth.load` for what else there is."""
        self._inner.load_state_dict(state_dict)
        self.follow(self._inner)


class GrowthScheduler(LRScheduler):
    """A schedule for loops that insist on one: it only tells the rate. Growth's own is made by ``make_scheduler``."""

    def __init__(self, optimizer: GrowthOptimizer) -> None:
        self.optimizer = optimizer
        self.last_epoch = 0

    def step(self, epoch: int | None = None) -> None:
        """Nothing: growth steps its own schedule with the optimiser."""
        self.last_epoch += 1

    def get_last_lr(self) -> list[float | torch.Tensor]:
        """The present rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The number of its steps."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over that number."""
        self.last_epoch = state_dict["last_epoch"]
