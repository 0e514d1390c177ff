"""The training step that is on, as the sites see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Step:
    """What sites know of the training step that is on.

    number    of steps so far in this phase
    on        whether one is; backward: whether its forward pass is over
    grows     whether dendrites are to come
    twice     whether the loss may be made of derivatives of what sites return
    seen      names of the sites that were called with gradients in the forward pass;  blind  without
    """

    number: int = 0
    on: bool = False
    backward: bool = False
    grows: bool = False
    twice: bool = True
    seen: set[str] = field(default_factory=set)
    blind: set[str] = field(default_factory=set)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Within the block this step is on."""
        self.number, self.on, self.backward = self.number + 1, True, False
        self.seen.clear()
        self.blind.clear()
        try:
            yield
        finally:
            self.on = self.backward = False
