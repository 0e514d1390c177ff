"""What has to be done beside training, and takes a while: reading, featurising, compiling. Told to whoever listens.

    with heard(print):
        with stage("reading"):
            for row in each(rows): ...

Whoever does the work says so, and need not know who listens; where nobody does, nothing is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

EVERY = 0.25  # seconds between two words of one stage

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """What is being done, and how much of it, in [0, 1]; None if that is not known."""

    name: str
    share: float | None = None

    def __str__(self) -> str:
        return self.name if self.share is None else f"{self.name} {self.share:.0%}"


Listener = Callable[[Stage], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_counter: ContextVar[_Counter | None] = ContextVar("counter", default=None)


class _Counter:
    """How far a stage is; what is counted first is counted whole, and what is done for it counts towards that."""

    def __init__(self, name: str, tell: Listener) -> None:
        self.name, self._tell = name, tell
        self.total: int | None = None
        self._done, self._told = 0, time.monotonic()
        tell(Stage(name))

    def reach(self, done: int) -> None:
        self._done = done
        now = time.monotonic()
        if self.total and now - self._told > EVERY:
            self._told = now
            self._tell(Stage(self.name, min(done / self.total, 1.0)))

    def advance(self) -> None:
        self.reach(self._done + 1)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Within the block, stages are told to `listener`; what it raises ends the work."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """The block is a stage."""
    listener = _listener.get()
    token = _counter.set(None if listener is None else _Counter(name, listener))
    try:
        yield
    finally:
        _counter.reset(token)


def each(items: Sequence[T]) -> Iterator[T]:
    """The items, each counted when it is done with."""
    with counted(len(items)):
        counter = _counter.get()
        for item in items:
            yield item
            if counter is not None:
                counter.advance()


@contextmanager
def counted(total: int) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with how many of `total` are done; within what is counted already, that says nothing.

    >>> with heard(print), stage("reading"), counted(2) as reached:
    ...     reached(1)
    reading
    """
    counter = _counter.get()
    if counter is None or counter.total is not None:
        yield lambda _: None
        return
    counter.total = total
    try:
        yield counter.reach
    finally:
        counter.total = None
        counter.reach(0)
