"""What an arm of a plan is run with: every field of the model's config and of the method's settings, filled in.

In order of strength: the dataclasses' defaults, the preset's recipe, and what the user set. What the user set to
another value than the recipe's is named in the spec, so that it makes a variant, with a row and records of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pbgraph.datasets.base import Dataset
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.features.base import FEATURISERS, JOINED, OWN
from pbgraph.fields import as_written, checked, field_names, respelt, told
from pbgraph.files.hashing import Scalar
from pbgraph.methods.base import METHODS, Method, chain
from pbgraph.methods.training import USUAL_LOSS, TrainSettings, check_loss, own_recipe
from pbgraph.metrics import METRICS, Kind, Metric
from pbgraph.models.base import MODELS, Architecture, Estimator, Model, file_versions
from pbgraph.models.head import HEAD, PACKED, HeadConfig
from pbgraph.plans.asked import Asked
from pbgraph.plans.declaration import ANY, Overrides, Recipe
from pbgraph.plans.settings import (
    FEATURES,
    Assignment,
    config_overrides,
    features_of,
    settings_overrides,
    type_of,
)
from pbgraph.results.records import RunSpec
from pbgraph.splits import SPLITS

CONFIG, SETTINGS = "config", "settings"


def selecting(dataset: Dataset) -> Metric:
    """The metric that selects, of a data set. Raises UsageError for one that takes no scores, which networks give."""
    metric = METRICS.get(dataset.metric)
    if metric.takes != "scores":
        raise UsageError(
            f"{dataset.name} is to be selected by {metric.name}, which takes {metric.takes}; name a metric that takes "
            "scores, such as roc_auc, and ask tables for this one with --metric"
        )
    return metric


def spec_of(dataset: Dataset, recipe: Recipe, *, split: str, asked: Asked) -> RunSpec:
    """What all runs of a row share: a spec without seeds and pair.

    Raises UsageError for a value that the config or the settings refuse, for a loss of another kind of task, and for
    columns that the task has not.
    """
    asked = with_columns(dataset, recipe, asked)
    model, method = MODELS.get(asked.model), METHODS.get(asked.method)
    featuriser = FEATURISERS.get(featuriser_of(recipe, asked))
    parts: dict[str, Any] = {
        "task": dataset,
        "split": SPLITS.get(split),
        "featuriser": featuriser,
        "model": model,
        "method": method,
        "metric": selecting(dataset),
    }
    resolved = resolve(recipe, model, method, kind=dataset.kind, assignments=asked.settings)
    return RunSpec(
        task=dataset.name,
        split=split,
        split_seed=None,
        model=model.name,
        method=method.name,
        seed=0,
        metric=dataset.metric,
        featuriser=featuriser.name,
        preset=recipe.name,
        model_config=told(model.config, resolved.config),
        settings=told(method.settings, resolved.settings),
        versions={
            **{name: part.version for name, part in parts.items()},
            **file_versions(model),
            **featuriser.file_versions(),
        },
        changes={
            **_all_changes(recipe, dataset.kind, asked),
            **_features_set(recipe, model, featuriser.name),
        },
    )


def featuriser_of(recipe: Recipe, asked: Asked) -> str:
    """The featuriser of a row: what is set, or the recipe's for the model, or the model's own."""
    model = MODELS.get(asked.model)
    return features_of(asked.settings, model) or recipe.featurisers.get(model.name, model.featuriser)


def with_columns(dataset: Dataset, recipe: Recipe, asked: Asked) -> Asked:
    """The row, reading the numbers that the task's molecules have beside their structures, if they have any.

    A network reads them by the packed head; one whose own head is asked for reads its graphs alone. Raises UsageError
    for a row that names columns of a task without any.
    """
    model, features = MODELS.get(asked.model), featuriser_of(recipe, asked)
    named = OWN in features.split(JOINED)
    if named and not dataset.graph_columns:
        raise UsageError(
            f"{asked.model}.{FEATURES}={features}: the molecules of {dataset.name} have no {OWN}; leave {OWN!r} "
            "out, or name them with 'train TABLE --graph-columns COL ...'"
        )
    if not dataset.graph_columns or (isinstance(model, Estimator) and model.bits_alone):
        return asked
    mine = [] if named else [Assignment(model.name, FEATURES, f"{features}{JOINED}{OWN}")]
    set_already = {**recipe.models.get(model.name, {}), **config_overrides(asked.settings, model)}
    if issubclass(model.config, HeadConfig):
        if not named and set_already.get(HEAD, PACKED) != PACKED:
            return asked
        mine += [] if HEAD in set_already else [Assignment(model.name, HEAD, PACKED)]
    return replace(asked, settings=(*asked.settings, *mine))


def _features_set(recipe: Recipe, model: Model, featuriser: str) -> dict[str, Scalar]:
    """What a row says of its features: others than the usual, and those of whole molecules that no recipe names."""
    usual = recipe.featurisers.get(model.name, model.featuriser)
    of_its_own = model.name not in recipe.featurisers and JOINED in usual
    return {FEATURES: featuriser} if featuriser != usual or of_its_own else {}


@dataclass(frozen=True)
class Resolved:
    """Every field of a model's config and of a method's settings; changes: what differs from the preset's recipe.

    A change is named by its field, or where config and settings share that name, "config.FIELD" and "settings.FIELD";
    its value is as specs write it.
    """

    config: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]
    changes: Mapping[str, Scalar] = field(default_factory=dict)


def resolve(
    recipe: Recipe, model: Model, method: Method, *, kind: Kind, assignments: Sequence[Assignment] = ()
) -> Resolved:
    """What a recipe trains a model with by a method, changed by the assignments. Errors as for `spec_of`."""
    usual = Resolved(
        _filled(model.name, model.config, _config_overrides(recipe, model, kind=kind)),
        _filled(method.name, method.settings, _recipe_settings(recipe, model, method, kind=kind)),
    )
    config = _filled(model.name, model.config, {**usual.config, **config_overrides(assignments, model)})
    settings = _filled(method.name, method.settings, {**usual.settings, **settings_overrides(assignments, method)})
    if issubclass(method.settings, TrainSettings):
        check_loss(str(settings["loss"]), kind)
    of_config = as_written(model.config, _other(config, usual.config))
    of_settings = as_written(method.settings, _other(settings, usual.settings))
    shared = config.keys() & settings.keys()
    changes = {
        **{f"{CONFIG}.{name}" if name in shared else name: value for name, value in of_config.items()},
        **{f"{SETTINGS}.{name}" if name in shared else name: value for name, value in of_settings.items()},
    }
    return Resolved(config, settings, changes)


def _other(values: Mapping[str, Scalar], usual: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {name: value for name, value in values.items() if value != usual[name]}


def _all_changes(recipe: Recipe, kind: Kind, asked: Asked) -> dict[str, Scalar]:
    """The changes of a row and of the row it is paired with.

    What both have bears the field's name alone; what one of them has otherwise than the other, "METHOD.FIELD".
    """
    model, method = MODELS.get(asked.model), METHODS.get(asked.method)
    mine = resolve(recipe, model, method, kind=kind, assignments=asked.settings).changes
    if asked.pair is None:
        return dict(mine)
    theirs, fields_of_pair = (
        _all_changes(recipe, kind, asked.pair),
        field_names(METHODS.get(asked.pair.method).settings),
    )
    own = {
        f"{method.name}.{name}" if name in fields_of_pair and theirs.get(name) != value else name: value
        for name, value in mine.items()
    }
    return {
        **own,
        **{
            name if name.partition(".")[0] in METHODS else f"{asked.pair.method}.{name}": value
            for name, value in theirs.items()
            if mine.get(name) != value
        },
    }


def assignments_of(spec: RunSpec) -> tuple[Assignment, ...]:
    """What has to be set for a spec's changes to come about, in today's spelling."""
    return tuple(_today(_assignment_of(spec, name, value)) for name, value in spec.changes.items())


def _today(assigned: Assignment) -> Assignment:
    return replace(assigned, value=respelt(type_of(assigned.scope, assigned.name), assigned.name, assigned.value))


def _assignment_of(spec: RunSpec, name: str, value: Scalar) -> Assignment:
    place, dot, rest = name.rpartition(".")
    if name == FEATURES:
        return Assignment(spec.model, name, value)
    if dot and place not in (CONFIG, SETTINGS):
        return Assignment(place, rest, value)
    if place == CONFIG or (not place and rest in field_names(MODELS.get(spec.model).config)):
        return Assignment(spec.model, rest, value)
    links = chain(METHODS.get(spec.method))
    return Assignment([link for link in links if rest in field_names(link.settings)][-1].name, rest, value)


def _recipe_settings(recipe: Recipe, model: Model, method: Method, *, kind: Kind) -> dict[str, Scalar]:
    return {
        **_loss(recipe, model, method, kind=kind),
        **_training_overrides(recipe, model),
        **_method_overrides(recipe, method),
        **(recipe.every if issubclass(method.settings, TrainSettings) else {}),
    }


def _config_overrides(recipe: Recipe, model: Model, *, kind: Kind) -> Overrides:
    """The recipe's for this model, as far as they mean something of this kind of task."""
    overrides = recipe.models.get(model.name, {})
    return model.of_kind(overrides, kind) if isinstance(model, Estimator) else overrides


def _loss(recipe: Recipe, model: Model, method: Method, *, kind: Kind) -> dict[str, Scalar]:
    """The recipe's loss for this model and kind of task, or the kind's usual one; {} if the method has no choice."""
    if not issubclass(method.settings, TrainSettings):
        return {}
    return {"loss": recipe.losses.get(kind, {}).get(model.name, USUAL_LOSS[kind])}


def _training_overrides(recipe: Recipe, model: Model) -> Overrides:
    """For any model, then the model's own, then the recipe's for it, the strongest; an estimator has the last alone."""
    of_any = {**recipe.training.get(ANY, {}), **own_recipe(model)} if isinstance(model, Architecture) else {}
    return {**of_any, **recipe.training.get(model.name, {})}


def _method_overrides(recipe: Recipe, method: Method) -> dict[str, Scalar]:
    """The recipe's for this method; a control shares those of its pair, as far as it has the fields."""
    names = field_names(method.settings)
    of_pair = recipe.methods.get(method.control_of, {}) if method.control_of else {}
    shared = {name: value for name, value in of_pair.items() if name in names}
    return {**shared, **recipe.methods.get(method.name, {})}


def _filled(what: str, type_: type, overrides: Overrides) -> dict[str, Scalar]:
    """Every field of the dataclass `type_`, with defaults filled in."""
    typed = {name: checked(type_, name, value, called=f"{what}.{name}") for name, value in overrides.items()}
    try:
        value: Any = type_(**typed)
    except (UsageError, ValueError) as error:  # a config of another package may raise what Python has for it
        raise UsageError(f"{what}: {error}") from error
    resolved = {field.name: getattr(value, field.name) for field in fields(type_)}
    for name, setting in resolved.items():
        if not isinstance(setting, Scalar):
            raise PbgraphError(f"{what}: {name} is a {type(setting).__name__}; make it a str, int, float, bool or None")
    return resolved
