"""What a conformance check is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from pbgraph.records import Scalar

T = TypeVar("T")


class CheckFailed(AssertionError):
    """Something registered does not do what everything of its kind must."""


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


def require_described(value: Any) -> None:
    """Raises CheckFailed unless a registered value has a name, a version from 1 on, and a source."""
    require(isinstance(value.name, str) and bool(value.name.strip()), f"name is {value.name!r}; expected a word")
    right = isinstance(value.version, int) and value.version >= 1
    require(right, f"version is {value.version!r}; expected 1, and one more whenever results would change")
    require(bool(value.source.strip()), "source is blank; expected the paper or code that defines it")


def require_plain_fields(what: str, settings: Any) -> None:
    """Raises CheckFailed unless `settings` is a dataclass whose defaults JSON can hold; what: how messages call it."""
    right = isinstance(settings, type) and is_dataclass(settings)
    require(right, f"{what} is {settings!r}, expected a frozen dataclass")
    defaults = settings()
    wrong = [field.name for field in fields(defaults) if not isinstance(getattr(defaults, field.name), Scalar)]
    require(not wrong, f"{what} {', '.join(wrong)} are none of str, int, float, bool and None")


def draw_at_random() -> None:
    """Moves the global generators of Python, NumPy and torch on, which nothing registered must go by."""
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.rand(1)
