"""In which ranges settings are searched: what a model says of its config's fields, and a method of its settings'.

A space changes no number of any run: it is in no key and has no version. `pbgraph.plans.search` draws from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

from pbgraph.errors import PbgraphError, UsageError, unknown_name
from pbgraph.fields import checked
from pbgraph.files.hashing import Scalar


@dataclass(frozen=True)
class Choice:
    """One of some values, which have no order.

    >>> Choice("sum", "mean").holds("max")
    False
    """

    values: tuple[Scalar, ...]

    def __init__(self, *values: Scalar) -> None:
        if not values or len({(type(one), one) for one in values}) < len(values):
            raise UsageError(f"a choice among {values}: expected different values, one at least")
        object.__setattr__(self, "values", values)

    def holds(self, value: Scalar) -> bool:
        """Whether the value is one of them."""
        return any(type(value) is type(one) and value == one for one in self.values)

    @property
    def corners(self) -> tuple[Scalar, ...]:
        """Values that have to be valid if all are."""
        return self.values

    @property
    def said(self) -> dict[str, Any]:
        """For programs, as JSON has it."""
        return {"values": list(self.values)}

    def __str__(self) -> str:
        return f"among {', '.join('none' if one is None else str(one) for one in self.values)}"


@dataclass(frozen=True)
class _Between:
    """What ranges of numbers have in common."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_order(self.low, self.high, log=self.log)

    @property
    def corners(self) -> tuple[Scalar, ...]:
        """As of a choice."""
        return self.low, self.high

    @property
    def said(self) -> dict[str, Any]:
        """As of a choice."""
        return {"low": self.low, "high": self.high, "log": self.log}

    def __str__(self) -> str:
        return _between(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Whole(_Between):
    """A whole number from `low` to `high`, both included; log: as likely between 10 and 20 as between 20 and 40."""

    low: int
    high: int

    def holds(self, value: Scalar) -> bool:
        """Whether the value is in the range."""
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Real(_Between):
    """A number from `low` to `high`; log: as likely between 0.01 and 0.1 as between 0.1 and 1."""

    def holds(self, value: Scalar) -> bool:
        """Whether the value is in the range."""
        return type(value) in (int, float) and self.low <= float(value or 0) <= self.high


Range = Choice | Whole | Real
Space = Mapping[str, Range]


def _between(low: float, high: float, *, log: bool) -> str:
    """A range in words.

    >>> _between(0.0003, 0.01, log=True)
    'from 0.0003 to 0.01, on a scale of logarithms'
    """
    return f"from {low} to {high}{', on a scale of logarithms' if log else ''}"


def _check_order(low: float, high: float, *, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"a range from {low} to {high}: expected finite numbers, the smaller one first")
    if log and not low > 0:
        raise UsageError(f"a range from {low} on a scale of logarithms: expected a start above 0")


def check_space(space: Space, *types: type, owner: str) -> None:
    """Raises an error unless every field of a space is one of a dataclass, and takes the values that are named.

    types  dataclasses, the first of which counts that has a field
    owner  whose space it is, in messages: "model 'gin'"
    Of an unknown field it is a UsageError that shows the nearest one.
    """
    holders = {one.name: type_ for type_ in reversed(types) for one in fields_of(type_)}
    for name, range_ in space.items():
        if name not in holders:
            raise unknown_name(f"field in the space of {owner}:", name, holders)
        if not isinstance(range_, Range):
            raise PbgraphError(
                f"the space of {owner} gives {name} a {type(range_).__name__}; expected Choice, Whole or Real"
            )
        for value in range_.corners:
            checked(holders[name], name, value, called=f"in the space of {owner}, {name}")
