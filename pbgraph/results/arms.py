"""An arm: a model, the method that trains it, and what was set otherwise. Its runs differ in their seeds alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pbgraph.errors import UsageError, unknown_name
from pbgraph.fields import shown
from pbgraph.files.hashing import Scalar

Change = tuple[str, str]  # a setting and its value, as text
DIGITS = 4  # of a number that people are shown, unless more are needed to tell it from another
ALL_DIGITS = 17  # which tell any two numbers apart


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


def rounded(text: str, digits: int = DIGITS) -> str:
    """A value's text with so many digits if it is a number with more of them; any other text as it is.

    >>> rounded("0.0036343931073551878"), rounded("1e-05"), rounded("1536"), rounded("plateau")
    ('0.003634', '1e-05', '1536', 'plateau')
    """
    value = _scalar(text)
    if not isinstance(value, float):
        return text
    short = _text(float(f"{value:.{digits}g}"))
    return short if len(short) < len(text) else text


def shortened(arms: Iterable[Arm], labels: Mapping[Arm, str] | None = None) -> dict[Arm, Arm]:
    """Each arm as it is called beside the others: its numbers with `DIGITS` digits, or as many as tell these apart.

    labels  of rows that a plan names, such as "gin · wide", by which they are called if no other is called so

    >>> one, other = parse_arm("gin/fit:rate=0.123456789"), parse_arm("gin/fit:rate=0.123466789")
    >>> [str(short) for short in shortened([one, other]).values()]
    ['gin/fit:rate=0.12346', 'gin/fit:rate=0.12347']
    """
    arms = list(dict.fromkeys(arms))
    values: dict[str, set[str]] = {}
    for name, text in (change for arm in arms for change in arm.changes):
        values.setdefault(name, set()).add(text)
    digits = {name: _digits_needed(texts) for name, texts in values.items()}
    short = {arm: replace(arm, changes=tuple((n, rounded(text, digits[n])) for n, text in arm.changes)) for arm in arms}
    named = {arm: Arm(label, arm.method) for arm, label in (labels or {}).items() if arm in short}
    taken = Counter([*named.values(), *(one for arm, one in short.items() if arm not in named)])
    return {arm: named[arm] if arm in named and taken[named[arm]] == 1 else one for arm, one in short.items()}


def _digits_needed(texts: Collection[str]) -> int:
    def apart(digits: int) -> bool:
        return len({rounded(text, digits) for text in texts}) == len(texts)

    return next(filter(apart, range(DIGITS, ALL_DIGITS)), ALL_DIGITS)


def meant_by(arm: Arm, known: Iterable[Arm]) -> list[Arm]:
    """The arms that a name may stand for: itself, or those that are called so where numbers have fewer digits.

    MODEL/METHOD alone may stand for the only variant of it that there is.
    """
    known = set(known)
    short = [arm] if arm in known else sorted(one for one in known if _is_short_for(arm, one))
    variants = [] if short or arm.changes else [one for one in known if one.plain == arm]
    return short or (variants if len(variants) == 1 else [])


def _is_short_for(arm: Arm, other: Arm) -> bool:
    names = [[name for name, _ in one.changes] for one in (arm, other)]
    return (
        arm.plain == other.plain
        and names[0] == names[1]
        and all(
            short == text or short in {rounded(text, digits) for digits in range(DIGITS, ALL_DIGITS)}
            for (_, short), (_, text) in zip(arm.changes, other.changes, strict=True)
        )
    )


def named_arm(arm: Arm, known: Iterable[Arm], labels: Mapping[Arm, str] = MappingProxyType({})) -> Arm:
    """The one that a name stands for. Raises UsageError if there is none, with the nearest, or if there are several.

    labels  what tables call the models of some, which may stand in the place of a model's name

    >>> str(named_arm(parse_arm("gin · wide/backprop"), [], {parse_arm("gin/backprop:hidden=128"): "gin · wide"}))
    'gin/backprop:hidden=128'
    """
    known = set(known)
    meant = [one for one, label in labels.items() if Arm(label, one.method) == arm] or meant_by(arm, known)
    if not meant:
        raise unknown_name("arm", str(arm), map(str, known))
    if len(meant) > 1:
        raise UsageError(f"arm {str(arm)!r} may be {' or '.join(map(str, meant))}; write more digits of its numbers")
    return meant[0]


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
