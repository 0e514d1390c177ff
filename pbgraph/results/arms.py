"""An arm: a model, the method that trains it, and what was set otherwise. Its runs differ in their seeds alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pbgraph.errors import UsageError
from pbgraph.fields import shown
from pbgraph.files.hashing import Scalar

Change = tuple[str, str]  # a setting and its value, as text


@dataclass(frozen=True, order=True)
class Arm:
    """A row of a table, written "model/method", and a variant of it "model/method:setting=value,setting=value".

    changes  settings in which it differs from the recipe of its preset, by name; () for the recipe itself

    >>> str(Arm("trimnet", "perforated"))
    'trimnet/perforated'
    >>> str(Arm("trimnet", "backprop", (("hidden", "64"),)))
    'trimnet/backprop:hidden=64'
    """

    model: str
    method: str
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        changes = ",".join(f"{name}={text}" for name, text in self.changes)
        return f"{self.model}/{self.method}" + (f":{changes}" if changes else "")

    @property
    def plain(self) -> Arm:
        """The arm as its preset's recipe has it."""
        return replace(self, changes=())

    @property
    def variant(self) -> str:
        """What was set otherwise, for people; "" for the recipe itself.

        >>> Arm("trimnet", "backprop", (("depth", "1"), ("hidden", "64"))).variant
        'depth 1, hidden 64'
        """
        return ", ".join(f"{name} {text}" for name, text in self.changes)

    @property
    def row(self) -> str:
        """The model with what was set otherwise, as a row of a table is labelled.

        >>> Arm("trimnet", "backprop", (("hidden", "64"),)).row
        'trimnet · hidden 64'
        """
        return " · ".join(filter(None, (self.model, self.variant)))


def parse_arm(text: str) -> Arm:
    """Read what `str` writes; raises UsageError unless it is two names with a slash between them, and settings.

    >>> parse_arm("trimnet/perforated")
    Arm(model='trimnet', method='perforated', changes=())
    >>> parse_arm("trimnet/backprop:learning_rate=1e-3").changes
    (('learning_rate', '0.001'),)
    """
    model, _, rest = text.partition("/")
    method, colon, settings = rest.partition(":")
    pairs = [pair.partition("=") for pair in settings.split(",")] if colon else []
    if not model or not method or "/" in method or not all(name and value for name, _, value in pairs):
        raise UsageError(
            f"arm {text!r:.200} is not MODEL/METHOD; write a model and a method, as in trimnet/perforated, and of a "
            "variant what was set otherwise, as in trimnet/perforated:hidden=64"
        )
    return Arm(model, method, as_changes({name: _scalar(value) for name, _, value in pairs}))


def as_changes(settings: Mapping[str, Scalar]) -> tuple[Change, ...]:
    """Settings as an arm has them, by name, in today's spelling.

    >>> as_changes({"hidden": 64, "dropout": 1e-3, "dendrites_trainable": True})
    (('dendrites_trainable', 'true'), ('dropout', '0.001'), ('hidden', '64'))
    """
    return tuple(sorted((name, _text(shown(name, value))) for name, value in settings.items()))


def in_row_order(declared: Iterable[Arm], others: Iterable[Arm]) -> list[Arm]:
    """The declared arms, each followed by those of the others that are variants of it; then the rest, sorted."""
    first, rest = list(dict.fromkeys(declared)), sorted(set(others))
    ordered = [
        arm
        for declared_arm in first
        for arm in (declared_arm, *(other for other in rest if other.plain == declared_arm.plain))
    ]
    return list(dict.fromkeys([*ordered, *rest]))


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> Scalar:
    """A value from its text: a number in any spelling, true, false, null, or else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, Scalar) else text
