"""From what was asked to run specs: which runs a benchmark consists of.

A plan is a function of its arguments and the registries alone; two machines that ask for the same make the
same specs with the same keys, so their results can be merged by copying files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

from pbgraph.datasets.base import DATASETS, Dataset
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.features.base import FEATURISERS
from pbgraph.files.hashing import Scalar
from pbgraph.methods.base import METHODS, Method
from pbgraph.methods.training import USUAL_LOSS, TrainSettings, check_loss
from pbgraph.metrics import METRICS, Kind
from pbgraph.models.base import MODELS, Architecture, Estimator, Model, file_versions
from pbgraph.plans.declaration import ANY, Overrides, Preset
from pbgraph.plans.presets import preset
from pbgraph.plans.studies import study
from pbgraph.registry import Registry
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunSpec
from pbgraph.splits import SPLITS

ALL = "all"


@dataclass(frozen=True)
class Refused:
    """A model and method that do not go together, and why."""

    arm: Arm
    reason: str


@dataclass(frozen=True)
class Plan:
    """What was asked for.

    name     "preset NAME" or "study NAME"
    presets  one, or those of the study
    specs    every run, arm by arm in the order of the table's rows, then by seed
    refused  what was asked for and cannot be run
    rows     of the data set, or 0 if that is not known before it is read
    part     "i/n" if `specs` are part i of n of what was asked for, else ""
    """

    task: str
    name: str
    presets: tuple[Preset, ...]
    split: str
    specs: tuple[RunSpec, ...]
    refused: tuple[Refused, ...] = ()
    rows: int = 0
    part: str = ""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Of every row, in order."""
        return tuple(dict.fromkeys(spec.arm for spec in self.specs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The declared seeds, in order."""
        return tuple(dict.fromkeys(spec.seed for spec in self.specs))


def plan_study(task: str | Dataset, study_name: str, **narrowed: Any) -> Plan:
    """The runs of all presets of a study on `task`, narrowed or widened by the arguments of `plan`."""
    chosen = study(study_name)
    parts = [plan(task, one.name, **narrowed) for one in chosen.presets]
    return Plan(
        parts[0].task,
        f"study {chosen.name}",
        chosen.presets,
        parts[0].split,
        tuple(spec for part in parts for spec in part.specs),
        tuple(dict.fromkeys(one for part in parts for one in part.refused)),
        parts[0].rows,
    )


def plan(
    task: str | Dataset,
    preset_name: str = "default",
    *,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    split: str | None = None,
    controls: bool = False,
) -> Plan:
    """The runs of `preset_name` on `task`, a registered name or a data set; narrowed or widened by the other arguments.

    models, methods  one of them: the preset's arms with these names; a name that the preset lacks is combined
                     with everything on its other side. Both: every combination.
    seeds            instead of the preset's
    split            instead of the data set's usual one
    controls         every registered control of the arms as well
    "all" stands for every registered name. A model that none of the preset's methods can train is trained by the one
    that can. A control brings along the runs it is paired with. Raises UsageError for an unknown name, with the nearest
    valid one, for a seed that the split does not take, and if no arm is left.
    """
    chosen = preset(preset_name)
    dataset = DATASETS.get(task) if isinstance(task, str) else task
    split = dataset.split if split is None else split
    splitter = SPLITS.get(split)
    asked = _arms(chosen, models, methods)
    arms, refused = _supported([*asked, *_controls(asked)] if controls else asked, dataset.kind)
    if not arms:
        raise UsageError("nothing to run: " + "; ".join(f"{one.arm}: {one.reason}" for one in refused))
    unique = dict.fromkeys(chosen.seeds if seeds is None else seeds)
    for seed in unique if splitter.seeded else ():
        splitter.needed(seed)
    specs: dict[tuple[Arm, int], RunSpec] = {}
    for arm in arms:
        pair, of_arm = _pair_of(arm), _spec(dataset, chosen, split, arm)
        for seed in unique:
            control_of = specs[pair, seed].key if pair else None
            split_seed = seed if splitter.seeded else None
            specs[arm, seed] = replace(of_arm, seed=seed, split_seed=split_seed, control_of=control_of)
    made, name = tuple(specs.values()), f"preset {chosen.name}"
    return Plan(dataset.name, name, (chosen,), split, made, tuple(refused), dataset.rows)


def _arms(chosen: Preset, models: Sequence[str] | None, methods: Sequence[str] | None) -> list[Arm]:
    models, methods = _checked(MODELS, models), _checked(METHODS, methods)
    if models is not None and methods is not None:
        return [Arm(*names) for names in dict.fromkeys(product(models, methods))]
    if models is not None:
        return _of_models(chosen.arms, models)
    if methods is not None:
        return _of_methods(chosen.arms, methods)
    return list(chosen.arms)


def _controls(arms: Sequence[Arm]) -> list[Arm]:
    found = list(METHODS.working())
    return [Arm(arm.model, one.name) for arm in arms for one in found if one.control_of == arm.method]


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


def _of_models(declared: Sequence[Arm], models: Sequence[str]) -> list[Arm]:
    """The declared arms with these models, and the models that have none with all the methods that can train them."""
    arms, methods = [arm for arm in declared if arm.model in models], _distinct(arm.method for arm in declared)
    new = _distinct(name for name in models if all(arm.model != name for arm in arms))
    return arms + [Arm(model, method) for model in new for method in _methods_for(model, methods)]


def _of_methods(declared: Sequence[Arm], methods: Sequence[str]) -> list[Arm]:
    """The declared arms with these methods, and the methods that have none with all the models."""
    arms, models = [arm for arm in declared if arm.method in methods], _distinct(arm.model for arm in declared)
    new = _distinct(name for name in methods if all(arm.method != name for arm in arms))
    return arms + [Arm(model, method) for method in new for model in models]


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


def _supported(asked: Iterable[Arm], kind: Kind) -> tuple[list[Arm], list[Refused]]:
    """The arms that can be run, each control after the arm it is paired with, and the others with reasons."""
    arms: dict[Arm, None] = {}
    refused = []
    for arm in asked:
        chain = _with_pairs(arm)
        reasons = [reason for link in chain if (reason := _why_not(link, kind))]
        if reasons:
            refused.append(Refused(arm, reasons[0]))
        else:
            arms.update(dict.fromkeys(chain))
    return list(arms), refused


def _why_not(arm: Arm, kind: Kind) -> str | None:
    found = MODELS.get(arm.model)
    reason = found.refuses(kind) or found.unavailable() if isinstance(found, Estimator) else None
    missing = [str(path) for path in found.files.values() if not path.is_file()]
    absent = f"it is built from {', '.join(missing)}, which is not there" if missing else None
    return METHODS.get(arm.method).refuses(found) or reason or absent


def _with_pairs(arm: Arm) -> list[Arm]:
    """The arm after those it needs: its pair, and its pair's pair."""
    pair = _pair_of(arm)
    return [*(_with_pairs(pair) if pair else ()), arm]


def _pair_of(arm: Arm) -> Arm | None:
    """The arm that a control is paired with."""
    pair = METHODS.get(arm.method).control_of
    return Arm(arm.model, pair) if pair else None


def _spec(dataset: Dataset, chosen: Preset, split: str, arm: Arm) -> RunSpec:
    """What all runs of an arm share: a spec without seeds and pair."""
    splitter = SPLITS.get(split)
    model, method = MODELS.get(arm.model), METHODS.get(arm.method)
    featuriser = FEATURISERS.get(chosen.featurisers.get(model.name, model.featuriser))
    parts: dict[str, Any] = {
        "task": dataset,
        "split": splitter,
        "featuriser": featuriser,
        "model": model,
        "method": method,
        "metric": METRICS.get(dataset.metric),
    }
    settings = {
        **_loss(chosen, model, method, kind=dataset.kind),
        **_training_overrides(chosen, model),
        **_method_overrides(chosen, method),
    }
    resolved = _resolved(f"settings of method {method.name!r}", method.settings, settings)
    if issubclass(method.settings, TrainSettings):
        check_loss(str(resolved["loss"]), dataset.kind)
    return RunSpec(
        task=dataset.name,
        split=split,
        split_seed=None,
        model=model.name,
        method=method.name,
        seed=0,
        metric=dataset.metric,
        featuriser=featuriser.name,
        preset=chosen.name,
        model_config=_resolved(f"config of model {model.name!r}", model.config, chosen.models.get(model.name, {})),
        settings=resolved,
        versions={**{name: part.version for name, part in parts.items()}, **file_versions(model)},
    )


def _loss(chosen: Preset, model: Model, method: Method, *, kind: Kind) -> dict[str, Scalar]:
    """The preset's loss for this model and kind of task, or the kind's usual one; {} if the method has no choice."""
    if not issubclass(method.settings, TrainSettings):
        return {}
    return {"loss": chosen.losses.get(kind, {}).get(model.name, USUAL_LOSS[kind])}


def _training_overrides(chosen: Preset, model: Model) -> Overrides:
    """The preset's for this model, or those for any; an estimator, which fits itself, takes none of the latter."""
    others = chosen.training.get(ANY, {}) if isinstance(model, Architecture) else {}
    return chosen.training.get(model.name, others)


def _method_overrides(chosen: Preset, method: Method) -> dict[str, Scalar]:
    """The preset's for this method; a control with settings of the same kind as its pair's shares those of the pair."""
    pair = METHODS.get(method.control_of) if method.control_of else None
    shared = chosen.methods.get(pair.name, {}) if pair is not None and pair.settings is method.settings else {}
    return {**shared, **chosen.methods.get(method.name, {})}


def _resolved(what: str, type_: type, overrides: Overrides) -> dict[str, Scalar]:
    """Every field of the dataclass `type_`, with defaults filled in."""
    names = [field.name for field in fields(type_)]
    if unknown := set(overrides) - set(names):
        raise PbgraphError(f"{what}: no field {', '.join(sorted(unknown))}; it has {', '.join(names) or 'none'}")
    value: Any = type_(**overrides)
    resolved = {name: getattr(value, name) for name in names}
    for name, setting in resolved.items():
        if not isinstance(setting, Scalar):
            raise PbgraphError(f"{what}: {name} is a {type(setting).__name__}; make it a str, int, float, bool or None")
    return resolved
