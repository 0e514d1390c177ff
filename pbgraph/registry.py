"""Names -> values, found through entry points; built-ins and third parties use the same door.

A package offers, say, a model by one line of its ``pyproject.toml``::

    [project.entry-points."pbgraph.models"]
    my-net = "my_package.my_net:MY_NET"

Nothing is imported until the name is asked for. A name that ends in ``:*`` offers all names with that beginning: its
value is a `Namespace`, which makes the value of each when it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from pbgraph.errors import PbgraphError, UsageError, unknown_name

T = TypeVar("T")
REST = ":*"  # what the entry of a namespace ends in
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Namespace(Generic[T]):
    """Many names with one beginning, e.g. ``deepchem:tox21``, offered by the entry ``deepchem:*``.

    version  raise it when the same name would give another value
    resolve  what follows the colon -> value; raises UsageError for a name that it does not know
    source   where the values come from
    package  what they need to be importable beyond pbgraph's own dependencies; "" for nothing
    """

    version: int
    resolve: Callable[[str], T]
    source: str
    package: str = ""


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
        """All registered names, sorted; imports nothing. A namespace, of which the names are not known, is left out."""
        return sorted(name for name in self._entries if not name.endswith(REST))

    def namespaces(self) -> list[str]:
        """The beginnings of further names, as they are registered: ``deepchem:*``."""
        return sorted(name for name in self._entries if name.endswith(REST))

    def packages(self, name: str) -> list[str]:
        """The installed packages that register a name or namespace, usually one."""
        return [_package(entry) for entry in self._entries[name]]

    def entry(self, name: str) -> EntryPoint | None:
        """What registers a name, by itself or with its namespace; None where nothing does, or several packages do."""
        found = self._entries.get(name) or self._entries.get(_beginning(name)) or []
        return found[0] if len(found) == 1 else None

    def working(self) -> Iterator[T]:
        """The values of all names that can be loaded; a name that cannot costs a warning and nothing else."""
        for name in self.names():
            try:
                value = self.get(name)
            except PbgraphError as error:
                log.warning("left out: %s", error)
            else:
                yield value

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._entries or _beginning(name) in self._entries)

    def get(self, name: str) -> T:
        """The value registered as `name`.

        Raises UsageError for an unknown name (with the nearest valid one) or one that two packages
        claim, and PbgraphError if the entry cannot be imported or is of the wrong type.
        """
        if name not in self._loaded:
            of_namespace = name not in self._entries and _beginning(name) in self._entries
            self._loaded[name] = self._resolved(name) if of_namespace else cast(T, self._load(name, self.type_))
        return self._loaded[name]

    def namespace(self, name: str) -> Namespace[T]:
        """The value registered as `name`, which ends in ``:*``; errors as for `get`."""
        return cast(Namespace[T], self._load(name, Namespace))

    def _resolved(self, name: str) -> T:
        value = self.namespace(_beginning(name)).resolve(name.partition(":")[2])
        return cast(T, _checked(value, f"{self.kind} {name!r}", name, type_=self.type_))

    def _only_entry(self, name: str) -> EntryPoint:
        if name not in self._entries:
            if not self._entries:
                raise PbgraphError(
                    f"no {self.kind} is registered under {self.group!r}: pbgraph is not installed in "
                    "this environment; run 'pip install -e .' in its folder, or use 'make run'"
                )
            raise unknown_name(self.kind, name, [*self.names(), *self.namespaces()])
        found = self._entries[name]
        if len(found) > 1:
            claims = " and ".join(f"{_package(entry)} ({entry.value})" for entry in found)
            raise UsageError(f"{self.kind} {name!r} is registered by {claims}; uninstall or rename one of them")
        return found[0]

    def _load(self, name: str, type_: type | tuple[type, ...]) -> object:
        entry = self._only_entry(name)
        where = f"{self.kind} {entry.name!r} of package {_package(entry)} ({entry.value})"
        try:
            value = entry.load()
        except Exception as error:
            raise PbgraphError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
        return _checked(value, where, name, type_=type_)


def _checked(value: object, where: str, name: str, *, type_: type | tuple[type, ...]) -> object:
    """The value, if it is of the right type and, where it has a name, is named as it is registered."""
    if not isinstance(value, type_):
        expected = " or ".join(one.__name__ for one in (type_ if isinstance(type_, tuple) else (type_,)))
        raise PbgraphError(f"{where} is a {type(value).__name__}; expected: {expected}")
    if (own := getattr(value, "name", name)) != name:
        raise PbgraphError(f"{where} is named {own!r} itself; register it under that name, or name it {name!r}")
    return value


def _beginning(name: str) -> str:
    """The namespace a name would belong to: ``deepchem:tox21`` -> ``deepchem:*``; "" without a colon."""
    beginning, colon, _ = name.partition(":")
    return beginning + REST if colon else ""


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"
