"""Rows that are asked for: a model, a method, and what is set otherwise than in the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pbgraph.errors import UsageError, unknown_name
from pbgraph.fields import field_names
from pbgraph.methods.base import METHODS, Method, chain
from pbgraph.methods.training import TrainSettings
from pbgraph.models.base import MODELS
from pbgraph.plans.declaration import FoundBy, Row
from pbgraph.plans.settings import TRAINING, Assignment, assignment, check_all_used


@dataclass(frozen=True)
class Asked:
    """One row.

    label     what tables call it, instead of naming what was set
    search    where its settings were found
    declared  by what part of a plan, for errors
    """

    model: str
    method: str
    settings: tuple[Assignment, ...] = ()
    label: str = ""
    search: FoundBy | None = None
    declared: Row | None = field(default=None, compare=False, repr=False)

    def where(self, key: str) -> str:
        """File and line of a key of what declares the row, or ""."""
        return self.declared.where(key) if self.declared else ""

    def placed(self, error: UsageError) -> UsageError:
        """The error with the place before it, where a plan file sets what it is about, or else declares the row."""
        if self.declared is None:
            return error
        tables = (("config", self.declared.config), ("settings", self.declared.settings))
        keys = [f"{part}.{name}" for part, table in tables for name in table if name in str(error)]
        return self.declared.at((keys or ["model"])[0], error)

    def with_set(self, more: Sequence[Assignment]) -> Asked:
        """With more settings, the strongest: what no search has found as it is now."""
        changed = any(_holds_for(one, self.model, METHODS.get(self.method)) for one in more)
        row = replace(self, settings=(*self.settings, *more))
        return replace(row, search=None, declared=None) if changed else row

    @property
    def pair(self) -> Asked | None:
        """The row that a control is paired with, under the same settings."""
        pair = METHODS.get(self.method).control_of
        return Asked(self.model, pair, self.settings, self.label, declared=self.declared) if pair else None


def asked_of(row: Row) -> Iterator[Asked]:
    """The rows that a plan declares at one place. Raises UsageError, with file and line, for unknown names and values.

    What is set of training holds for all methods of the row, and what is set of growth for those that have it: for
    what a control is paired with too. A table in the settings, named after a method, is for that method.
    """
    try:
        model = MODELS.get(row.model)
    except UsageError as error:
        raise row.at("model", error) from error
    try:
        methods = [METHODS.get(name) for name in row.methods]
    except UsageError as error:
        raise row.at("method", error) from error
    settings: list[Assignment] = []
    links = [link for method in methods for link in chain(method)]
    for part, values in (("config", row.config), ("settings", row.settings)):
        for name, value in values.items():
            try:
                mine = _config(model.name, name, value) if part == "config" else _settings(methods, name, value)
                check_all_used(mine, [model], links)
            except UsageError as error:
                raise row.at(f"{part}.{name}", error) from error
            settings += mine
    for method in methods:
        holding = tuple(assigned for assigned in settings if _holds_for(assigned, model.name, method))
        yield Asked(row.model, method.name, holding, row.label, row.search, row)


def _config(model: str, name: str, value: Any) -> list[Assignment]:
    return [assignment(model, name, value)]


def _settings(methods: list[Method], name: str, value: Any) -> list[Assignment]:
    """What one key of a row's settings sets; a table under a method's name sets that method's alone."""
    if isinstance(value, dict):
        return [assignment(name, field, inner) for field, inner in value.items()]
    return [assignment(_scope(methods, name), name, value)]


def _scope(methods: list[Method], name: str) -> str:
    """Of what a setting of these methods is: of all training, or of the one at the root of a chain that has it."""
    if name in field_names(TrainSettings) and any(issubclass(method.settings, TrainSettings) for method in methods):
        return TRAINING
    for method in methods:
        having = [link for link in chain(method) if name in field_names(link.settings)]
        if having:
            return having[-1].name
    known = {field for method in methods for link in chain(method) for field in field_names(link.settings)}
    raise unknown_name("setting", name, known)


def _holds_for(assigned: Assignment, model: str, method: Method) -> bool:
    return assigned.scope in (model, TRAINING) or assigned.scope in [link.name for link in chain(method)]
