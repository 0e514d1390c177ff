"""Which rows a plan has: those of a preset that names choose, what these add, and the controls beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from pbgraph.features.base import JOINED
from pbgraph.fields import field_names
from pbgraph.methods.base import METHODS
from pbgraph.methods.roles import GRAPHLESS, PLAIN
from pbgraph.models.base import MODELS, Architecture
from pbgraph.models.head import HEAD
from pbgraph.plans.asked import Asked, asked_of
from pbgraph.plans.declaration import Preset, Recipe
from pbgraph.plans.resolve import featuriser_of
from pbgraph.plans.settings import FEATURES, TRAINING, Assignment
from pbgraph.registry import Registry

ALL = "all"


def rows_of(chosen: Preset, models: Sequence[str] | None, methods: Sequence[str] | None) -> list[Asked]:
    """A preset's rows, narrowed or widened by names: see `pbgraph.plans.plan.plan`."""
    models, methods = _checked(MODELS, models), _checked(METHODS, methods)
    declared = [row for declaration in chosen.rows for row in asked_of(declaration)]
    if models is not None and methods is not None:
        return [row for pair in dict.fromkeys(product(models, methods)) for row in _declared_or_new(declared, *pair)]
    if models is not None:
        return _of_models(declared, models)
    if methods is not None:
        return _of_methods(declared, methods)
    return declared


def _declared_or_new(declared: Sequence[Asked], model: str, method: str) -> list[Asked]:
    return [row for row in declared if (row.model, row.method) == (model, method)] or [Asked(model, method)]


def graphless(rows: Sequence[Asked], recipe: Recipe) -> list[Asked]:
    """The control of every network that has features of whole molecules: its head alone, unless it is there."""
    of_head, controls = field_names(MODELS.get(GRAPHLESS).config) - {HEAD}, dict[Asked, None]()
    there = {featuriser_of(recipe, row) for row in rows if row.model == GRAPHLESS}
    for row in rows:
        features, model = featuriser_of(recipe, row), MODELS.get(row.model)
        if isinstance(model, Architecture) and model.reads_graphs and JOINED in features and features not in there:
            mine = [replace(s, scope=GRAPHLESS) for s in row.settings if s.scope == row.model and s.name in of_head]
            training = [assigned for assigned in row.settings if assigned.scope == TRAINING]
            controls[Asked(GRAPHLESS, PLAIN, (Assignment(GRAPHLESS, FEATURES, features), *mine, *training))] = None
    return list(controls)


def controls_of(rows: Sequence[Asked]) -> list[Asked]:
    """Every registered control of these rows."""
    every = list(METHODS.working())
    return [replace(row, method=control.name) for row in rows for control in every if control.control_of == row.method]


def _checked(registry: Registry[Any], names: Sequence[str] | None) -> Sequence[str] | None:
    """The names, each of them registered; an unknown one is an error even where it would select nothing.

    Of all of them, those that cannot be loaded are left out with a warning.
    """
    if names is None:
        return None
    if list(names) == [ALL]:
        return [value.name for value in registry.working()]
    for name in names:
        registry.get(name)
    return names


def _of_models(declared: Sequence[Asked], models: Sequence[str]) -> list[Asked]:
    """The declared rows with these models, and the models that have none with all the methods that can train them."""
    rows, methods = [row for row in declared if row.model in models], _distinct(row.method for row in declared)
    new = _distinct(name for name in models if all(row.model != name for row in rows))
    return rows + [Asked(model, method) for model in new for method in _methods_for(model, methods)]


def _of_methods(declared: Sequence[Asked], methods: Sequence[str]) -> list[Asked]:
    """The declared rows with these methods, and the methods that have none with all the models."""
    rows, models = [row for row in declared if row.method in methods], _distinct(row.model for row in declared)
    new = _distinct(name for name in methods if all(row.method != name for row in rows))
    return rows + [Asked(model, method) for method in new for model in models]


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _methods_for(model: str, wanted: Sequence[str]) -> Sequence[str]:
    """The wanted methods, or where none of them can train the model, those that can and are no controls."""
    if any(METHODS.get(name).refuses(MODELS.get(model)) is None for name in wanted):
        return wanted
    return [
        method.name
        for method in METHODS.working()
        if not method.control_of and method.refuses(MODELS.get(model)) is None
    ]
