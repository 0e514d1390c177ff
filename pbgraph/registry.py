"""Names -> values, found through entry points; built-ins and third parties use the same door.

A package offers, say, a model by one line of its ``pyproject.toml``::

    [project.entry-points."pbgraph.models"]
    my-net = "my_package.my_net:MY_NET"

Nothing is imported until the name is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from pbgraph.errors import PbgraphError, UsageError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A lazy mapping from names to values of one kind.

    kind   what one entry is called in messages, e.g. "model"
    group  entry-point group, e.g. "pbgraph.models"
    type_  the class every entry must be an instance of (a tuple for several)
    """

    def __init__(self, kind: str, group: str, type_: type | tuple[type, ...]) -> None:
        self.kind, self.group, self.type_ = kind, group, type_
        self._loaded: dict[str, T] = {}

    @cached_property
    def _entries(self) -> dict[str, list[EntryPoint]]:
        entries: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.group):
            same = entries.setdefault(entry.name, [])
            if all(entry.value != other.value for other in same):
                same.append(entry)
        return entries

    def names(self) -> list[str]:
        """All registered names, sorted; imports nothing."""
        return sorted(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str) -> T:
        """The value registered as `name`.

        Raises UsageError for an unknown name (with the nearest valid one) or one that two packages
        claim, and PbgraphError if the entry cannot be imported or is of the wrong type.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(self._only_entry(name))
        return self._loaded[name]

    def _only_entry(self, name: str) -> EntryPoint:
        if name not in self._entries:
            if not self._entries:
                raise PbgraphError(
                    f"no {self.kind} is registered under {self.group!r}: pbgraph is not installed in "
                    "this environment; run 'pip install -e .' in its folder, or use 'make run'"
                )
            raise unknown_name(self.kind, name, self._entries)
        found = self._entries[name]
        if len(found) > 1:
            claims = " and ".join(f"{_package(entry)} ({entry.value})" for entry in found)
            raise UsageError(f"{self.kind} {name!r} is registered by {claims}; uninstall or rename one of them")
        return found[0]

    def _load(self, entry: EntryPoint) -> T:
        where = f"{self.kind} {entry.name!r} of package {_package(entry)} ({entry.value})"
        try:
            value = entry.load()
        except Exception as error:
            raise PbgraphError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
        if not isinstance(value, self.type_):
            raise PbgraphError(f"{where} is a {type(value).__name__}, not {self.type_}")
        return cast(T, value)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"
