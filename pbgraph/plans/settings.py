"""What a user sets: one field of a model's config, of gradient training, or of a method's settings, by name.

    trimnet.hidden=64   training.learning_rate=1e-3   perforated.max_dendrites=3

MODEL.features is the featuriser, e.g. trimnet.features=graph+descriptors. "training" means every method that trains by
gradients. A control shares what is set for the method it is paired with, as far as it has the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pbgraph.errors import UsageError, check_several, unknown_name
from pbgraph.features.base import FEATURISERS
from pbgraph.fields import checked, field_names, from_text
from pbgraph.files.hashing import Scalar
from pbgraph.methods.base import METHODS, Method, chain
from pbgraph.methods.training import TrainSettings
from pbgraph.models.base import MODELS, Model

TRAINING = "training"
FEATURES = "features"  # of a model, beside the fields of its config


@dataclass(frozen=True)
class Assignment:
    """One field and the value it is set to; scope: a model, a method, or "training"."""

    scope: str
    name: str
    value: Scalar

    def __str__(self) -> str:
        return f"{self.scope}.{self.name}={self.value}"


def parse_assignment(text: str) -> Assignment:
    """Read "SCOPE.FIELD=VALUE". Raises UsageError for unknown names, with the nearest, and for a value of a wrong type.

    >>> parse_assignment("trimnet.hidden=64")
    Assignment(scope='trimnet', name='hidden', value=64)
    """
    place, equals, value = text.partition("=")
    scope, dot, name = place.rpartition(".")
    if not equals or not dot or not scope or not name:
        raise UsageError(f"setting {text!r:.200} is not SCOPE.FIELD=VALUE, as in trimnet.hidden=64")
    if _is_features(scope, name):
        return Assignment(scope, name, FEATURISERS.get(value).name)
    return Assignment(scope, name, _no_comma(from_text(type_of(scope, name), name, value, called=place), place))


def parse_assignments(texts: Iterable[str]) -> list[Assignment]:
    """Read them all. Raises UsageError as above, and for a field that is set to two values.

    >>> [str(assigned) for assigned in parse_assignments(["gin.hidden=64", "training.epochs=60", "gin.hidden=64"])]
    ['gin.hidden=64', 'training.epochs=60']
    """
    check_several(settings=texts)
    places: dict[tuple[str, str], Assignment] = {}
    for assigned in map(parse_assignment, texts):
        first = places.setdefault((assigned.scope, assigned.name), assigned)
        if first != assigned:
            raise UsageError(f"{first} and {assigned}: one field cannot have both values; leave one out")
    return list(places.values())


def assignment(scope: str, name: str, value: Any) -> Assignment:
    """The assignment of a value that has a type already, as a plan file's has; errors as above."""
    called = f"{scope}.{name}"
    if _is_features(scope, name):
        if not isinstance(value, str):
            raise UsageError(f"{called}={value!r:.100}: expected the name of a featuriser; see 'ls featurisers'")
        return Assignment(scope, name, FEATURISERS.get(value).name)
    return Assignment(scope, name, _no_comma(checked(type_of(scope, name), name, value, called=called), called))


def config_overrides(assignments: Iterable[Assignment], model: Model) -> dict[str, Scalar]:
    """What is set of a model's config."""
    names = field_names(model.config)
    return {
        assigned.name: assigned.value
        for assigned in assignments
        if assigned.scope == model.name and assigned.name in names
    }


def features_of(assignments: Iterable[Assignment], model: Model) -> str | None:
    """The featuriser that is set for a model; None if none is."""
    named = [
        assigned.value
        for assigned in assignments
        if assigned.scope == model.name and _is_features(assigned.scope, assigned.name)
    ]
    return str(named[-1]) if named else None


def _is_features(scope: str, name: str) -> bool:
    return name == FEATURES and scope in MODELS and FEATURES not in field_names(MODELS.get(scope).config)


def settings_overrides(assignments: Sequence[Assignment], method: Method) -> dict[str, Scalar]:
    """What is set of a method's settings: for all training, then for what it is paired with, then for itself."""
    names, overrides = field_names(method.settings), dict[str, Scalar]()
    for scope in _scopes(method):
        overrides |= {
            assigned.name: assigned.value
            for assigned in assignments
            if assigned.scope == scope and assigned.name in names
        }
    return overrides


def check_all_used(assignments: Iterable[Assignment], models: Iterable[Model], methods: Iterable[Method]) -> None:
    """Raises UsageError for what none of these models and methods takes."""
    taken = {(model.name, name) for model in models for name in (*field_names(model.config), FEATURES)}
    taken |= {(scope, name) for method in methods for scope in _scopes(method) for name in field_names(method.settings)}
    for setting in assignments:
        if (setting.scope, setting.name) not in taken:
            raise UsageError(
                f"{setting}: no planned arm takes it; plan one with --models or --methods, or leave it out"
            )


def _scopes(method: Method) -> tuple[str, ...]:
    """Whose settings a method's are, the weakest first: a control is trained as what it is paired with."""
    of_training = (TRAINING,) if issubclass(method.settings, TrainSettings) else ()
    return (*of_training, *(link.name for link in reversed(chain(method))))


def type_of(scope: str, name: str) -> type:
    """The dataclass that a scope stands for; where a model and a method have one name, the one that has the field."""
    types = [
        *([TrainSettings] if scope == TRAINING else []),
        *([MODELS.get(scope).config] if scope in MODELS else []),
        *([METHODS.get(scope).settings] if scope in METHODS else []),
    ]
    if not types:
        raise unknown_name("scope of a setting", scope, [TRAINING, *MODELS, *METHODS])
    return next((type_ for type_ in types if name in field_names(type_)), types[0])


def _no_comma(value: Scalar, called: str) -> Scalar:
    """The value, unless it would not come back from an arm's name."""
    if isinstance(value, str) and ("," in value or not value):
        raise UsageError(f"{called}={value!r:.100}: expected a text without commas, and not an empty one")
    return value
