"""Tables of a TOML file whose errors name file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import parse_seeds

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Section:
    """One table of a TOML file, and where it stands; what is wrong with a value is a UsageError with its place."""

    path: Path
    source: str
    table: Mapping[str, Any]
    keys: Key

    def where(self, *keys: str | int) -> str:
        """File and line of a key."""
        return f"{self.path.name}, line {line_of(self.source, (*self.keys, *keys))}"

    def fail(self, key: str, problem: str) -> Any:
        """Raises UsageError with the place of a key."""
        raise UsageError(f"{self.where(key)}: {problem}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Raises UsageError for a key that is not known, with the nearest one."""
        for key in self.table:
            if key not in known:
                raise UsageError(f"{self.where(key)}: {unknown_name('key', key, known)}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        value = self.table.get(key, default)
        if value is None:
            self.fail(key, f"{key} is missing; expected a text")
        if not isinstance(value, str) or (not value and default != ""):
            self.fail(key, f"{key} is {value!r:.100}; expected a text")
        return cast(str, value)

    def number(self, key: str, *, whole: bool = False) -> float | None:
        """A number above 0, or None if it is not there."""
        value = self.table.get(key)
        if value is None:
            return None
        wrong = isinstance(value, bool) or not isinstance(value, int if whole else (int, float))
        if wrong or not 0 < value < 1e100:
            kind = "whole number" if whole else "number"
            self.fail(key, f"{key} is {value!r:.100}; expected a {kind} above 0 and below 1e100")
        return float(value)

    def section(self, key: str) -> Section:
        """A table in this one; an empty one if it is not there."""
        return self._inner(self.table.get(key, {}), key)

    def sections(self, key: str) -> list[Section]:
        """The tables of an array."""
        value = self.table.get(key, [])
        if not isinstance(value, list):
            self.fail(key, f"{key} is {value!r:.100}; expected tables, each under [[{key}]]")
        return [self._inner(inner, key, number) for number, inner in enumerate(value)]

    def _inner(self, value: Any, *keys: str | int) -> Section:
        if not isinstance(value, dict):
            self.fail(str(keys[0]), f"{keys[0]} is {value!r:.100}; expected a table")
        return Section(self.path, self.source, value, (*self.keys, *keys))

    def seeds(self, key: str) -> tuple[int, ...]:
        """Numbers and ranges in a text, or a list of numbers."""
        value = self.table[key]
        words = value if isinstance(value, list) else [value]
        if not words or any(isinstance(word, bool) or not isinstance(word, int | str) for word in words):
            self.fail(key, f'{key} is {value!r:.100}; expected numbers and ranges, as in "68-72"')
        try:
            return tuple(dict.fromkeys(seed for word in words for seed in parse_seeds(str(word))))
        except UsageError as error:
            return cast(tuple[int, ...], self.fail(key, str(error)))


HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
ASSIGNED = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")


def line_of(source: str, keys: Key) -> int:
    """The line, from 1, that assigns a key of a TOML text, or what it is a part of; of a missing one, its table's.

    >>> line_of('seeds = "68"\\n[[arms]]\\nmodel = "gin"\\nconfig = { hidden = 3 }\\n', ("arms", 0, "config", "hidden"))
    4
    """
    header: Key = ()
    counts: dict[Key, int] = {}
    best = (0, 1)
    for number, line in enumerate(source.splitlines(), 1):
        if match := HEADER.match(line):
            header = _resolved(_parts(match[2]), counts, again=match[1] == "[[")
            there = header
        elif match := ASSIGNED.match(line):
            there = (*header, *_parts(match[1]))
        else:
            continue
        if keys[: len(there)] == there and len(there) > best[0]:
            best = (len(there), number)
    return best[1]


def _resolved(parts: Key, counts: dict[Key, int], *, again: bool) -> Key:
    """A header's key, with the number of each table of an array; again: whether it begins another one."""
    resolved: Key = ()
    for place, part in enumerate(parts, 1):
        resolved = (*resolved, part)
        if again and place == len(parts):
            counts[resolved] = counts.get(resolved, -1) + 1
        if resolved in counts:
            resolved = (*resolved, counts[resolved])
    return resolved


def _parts(text: str) -> Key:
    """The parts of a dotted key.

    >>> _parts('training."*".epochs')
    ('training', '*', 'epochs')
    """
    try:
        table: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: Key = ()
    while isinstance(table, dict):
        ((key, table),) = table.items()
        parts = (*parts, key)
    return parts
