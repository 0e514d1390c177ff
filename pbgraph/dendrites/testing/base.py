"""What a conformance check is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class CheckFailed(AssertionError):
    """What is checked does not do what everything of its kind must."""


@dataclass(frozen=True)
class Check(Generic[T]):
    """One property of one subject; calling it raises CheckFailed if the property does not hold."""

    name: str
    subject: T
    run: Callable[[T], None]

    def __call__(self) -> None:
        """Check it; an error of any kind means that the property does not hold."""
        try:
            self.run(self.subject)
        except CheckFailed:
            raise
        except Exception as error:
            raise CheckFailed(f"{type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return self.name

    @property
    def summary(self) -> str:
        """The property in a line."""
        return (self.run.__doc__ or "").strip()


def checks_of(subject: T, table: Mapping[str, Callable[[T], None]]) -> list[Check[T]]:
    """Every check of the table, of this subject."""
    return [Check(name, subject, run) for name, run in table.items()]


def require(holds: bool, otherwise: str) -> None:
    """Raises CheckFailed, with what is wrong, unless it holds."""
    if not holds:
        raise CheckFailed(otherwise)
