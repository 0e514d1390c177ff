"""Loss scales: gradients in half precision are computed of a loss times a large number, and divided by it again.

With a torch.amp.GradScaler, a step whose gradients are not finite is skipped and the scale is lowered. In a dendrite
phase δ is divided by the scale before anything is learnt from it, and the candidates' gradients are multiplied by it,
so that the scaler can treat both phases alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pbgraph.dendrites.errors import TrainingError, WrongTypeError

_LOWEST = 2.0**-14  # far below 1: it is not the scale that makes the gradients infinite

_METHODS = ("scale", "unscale_", "step", "update", "get_scale", "is_enabled", "state_dict", "load_state_dict")


class Scaling:
    """The scale of losses, 1 without a scaler.

    scaler  a torch.amp.GradScaler or one that is like it, this or somebody else's loop's; may be set at any time
    """

    def __init__(self, scaler: torch.amp.GradScaler | None = None) -> None:
        self.scaler = scaler

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales; raises WrongTypeError if it is set to anything else."""
        return self._scaler

    @scaler.setter
    def scaler(self, scaler: torch.amp.GradScaler | None) -> None:
        if missing := [name for name in _METHODS if scaler is not None and not hasattr(scaler, name)]:
            raise WrongTypeError(
                f"scaler is a {type(scaler).__name__}, which has no {missing[0]}(): give a torch.amp.GradScaler or None"
            )
        self._scaler = scaler

    @property
    def factor(self) -> float:
        """Of the present step."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())

    @property
    def tolerant(self) -> bool:
        """Whether a step whose loss or gradients are not finite is skipped, rather than an error."""
        return self.scaler is not None and self.scaler.is_enabled()

    def scale(self, loss: Tensor) -> Tensor:
        """The loss times the scale."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients of the optimiser's parameters by the scale."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """A step of the optimiser unless its gradients are not finite; returns whether it was taken.

        Raises TrainingError if they never are, however low the scale.
        """
        if self.scaler is None:
            optimizer.step()
            return True
        before = self.factor
        self.scaler.step(optimizer)
        self.scaler.update()
        if (after := self.factor) < _LOWEST:
            raise TrainingError(
                f"the gradients are not finite even at a loss scale of {after:g}: lower the learning rate, or look at "
                "the loss"
            )
        return after >= before

    def state_dict(self) -> dict[str, Any] | None:
        """Of the scaler, if there is one."""
        return None if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Take over a saved state; one without a scaler leaves this one as it is."""
        if state and self.scaler is not None:
            self.scaler.load_state_dict(dict(state))
