"""The training step that is on, as the sites see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from pbgraph.dendrites.errors import SiteError


@dataclass
class Step:
    """What sites know of the training step that is on.

    number    of steps so far in this phase
    on        whether one is; backward: whether its forward pass is over
    inside    whether a forward pass in training is on, of a loop that is not growth's
    grows     whether dendrites are to come
    twice     whether the loss may be made of derivatives of what sites return
    with_gradients, without_gradients  names of the sites that were called so in the forward pass
    """

    number: int = 0
    on: bool = False
    backward: bool = False
    inside: bool = False
    grows: bool = False
    twice: bool = True
    with_gradients: set[str] = field(default_factory=set)
    without_gradients: set[str] = field(default_factory=set)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Within the block this step is on."""
        self.number, self.on, self.backward = self.number + 1, True, False
        self.with_gradients.clear()
        self.without_gradients.clear()
        try:
            yield
        finally:
            self.on = self.backward = False

    def close(self) -> None:
        """The forward pass is over."""
        self.backward = True

    def note_call(self, site: str) -> None:
        """Raises SiteError if this call repeats, in a backward pass, one that was made without gradients."""
        if not self.backward:
            (self.with_gradients if torch.is_grad_enabled() else self.without_gradients).add(site)
        elif site in self.without_gradients and site not in self.with_gradients:
            raise SiteError(
                f"site {site!r} lies in a part that is checkpointed with use_reentrant=True, where its errors "
                "cannot be seen: checkpoint with use_reentrant=False"
            )

    def watch(self, site: str, y: Tensor) -> None:
        """Let nobody differentiate what a site returns where dendrites would be absent from the derivative."""
        if not self.twice and (self.on or self.inside) and y.requires_grad:
            y.register_hook(partial(self._refuse_derivative, site))  # type: ignore[no-untyped-call]

    def _refuse_derivative(self, site: str, _: Tensor) -> None:
        """Raises SiteError in a backward pass that is itself differentiated, or within the forward pass."""
        if torch.is_grad_enabled() or self.inside or (self.on and not self.backward):
            raise SiteError(
                f"the loss is made of a derivative through site {site!r} (forces, a gradient penalty), from which "
                'perforated dendrites would be missing: grow with errors="through", or leave the site out'
            )


def refuse_transform(site: str) -> None:
    """Raises SiteError within a transform of torch.func, whose values cannot be kept beyond it."""
    if torch._C._are_functorch_transforms_active():
        raise SiteError(
            f"site {site!r} is called within a transform of torch.func (vmap, grad, jvp), where its errors "
            "cannot be seen: call the model on the whole batch, take derivatives by torch.autograd.grad, or leave "
            "the site out"
        )
