"""A plan as a plan file: what `pbgraph.plans.plan_file` reads as the same runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.fields import field_names
from pbgraph.humanize import ranges
from pbgraph.methods.base import METHODS
from pbgraph.models.base import MODELS
from pbgraph.plans.declaration import SECOND, FoundBy, Preset, Recipe
from pbgraph.plans.plan import Plan
from pbgraph.plans.presets import preset_or_none
from pbgraph.plans.resolve import assignments_of
from pbgraph.plans.settings import FEATURES, Assignment
from pbgraph.results.records import RunSpec


def plan_text(plan: Plan) -> str:
    """The plan as TOML. Raises UsageError for a part of a plan, which is none of its own."""
    if plan.part:
        raise UsageError(
            f"part {plan.part} of a plan is no plan of its own; leave --shard out to have the whole written"
        )
    head = [
        toml_line("task", plan.task),
        toml_line("split", plan.split),
        *seed_lines(plan.seeds, plan.presets[0].again),
        *([toml_line("margin", plan.margin)] if plan.margin is not None else []),
    ]
    if plan.primary is not None:
        head.append(toml_line("primary", list(map(str, plan.primary))))
    if secondary := [list(map(str, pair)) for pair in plan.named if pair != plan.primary]:
        head.append(toml_line("secondary", secondary))
    rows = list(_rows(plan))
    if len(plan.presets) == 1:
        return "\n".join([*head, *recipe_lines(plan.presets[0]), *rows]) + "\n"
    return "\n".join([toml_line("name", _study_name(plan)), *head, *rows, *_parts(plan)]) + "\n"


def seed_lines(seeds: Sequence[int], second: Collection[int]) -> Iterator[str]:
    """A plan's seeds, of which some are second initialisations. Raises UsageError without the seed of their split."""
    again = [seed for seed in seeds if seed in second]
    first = [seed for seed in seeds if seed not in again]
    if missing := [seed for seed in again if seed - SECOND not in first]:
        raise UsageError(
            f"seeds {ranges(missing)} are second initialisations on the splits of seeds that the plan leaves out; name "
            f"{ranges([seed - SECOND for seed in missing])} as well, or leave them out"
        )
    yield toml_line("seeds", ranges(first).replace(" ", ""))
    if again:
        yield toml_line("reinitialised", ranges([seed - SECOND for seed in again]).replace(" ", ""))


def _rows(plan: Plan) -> Iterator[str]:
    """The arms; of a study those of its first part, which must be those of all."""
    by_preset = {
        preset.name: {spec.arm: spec for spec in plan.specs if spec.preset == preset.recipe.name}
        for preset in plan.presets
    }
    first = next(iter(by_preset.values()))
    if any(list(arms) != list(first) for arms in by_preset.values()):
        raise UsageError("the parts of this plan have different arms, which one file cannot say; write a plan for each")
    for arm, spec in first.items():
        label = plan.labels.get(arm, "").removeprefix(f"{arm.model} · ")
        yield "\n".join(
            [
                "",
                "[[arms]]",
                toml_line("model", arm.model),
                toml_line("method", arm.method),
                *([toml_line("label", label)] if label else []),
                *set_lines(spec),
                *([search_line(plan.searches[arm])] if arm in plan.searches else []),
            ]
        )


def search_line(found: FoundBy) -> str:
    """Where an arm's settings were found."""
    seeds = ranges(found.seeds).replace(" ", "")
    return toml_line("search", {"file": found.file, "trial": found.trial, "trials": found.trials, "seeds": seeds})


def set_lines(spec: RunSpec) -> Iterator[str]:
    """What is set of the model, and of methods: by name for a control, which shares settings of what it is paired with.

    As the keys `config` and `settings` of an arm have it.
    """
    config: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    alone = METHODS.get(spec.method).control_of is None
    for assigned in assignments_of(spec):
        if _of_config(assigned, spec):
            config[assigned.name] = assigned.value
        elif alone:
            settings[assigned.name] = assigned.value
        else:
            settings.setdefault(assigned.scope, {})[assigned.name] = assigned.value
    if config:
        yield toml_line("config", config)
    if settings:
        yield toml_line("settings", settings)


def _of_config(assigned: Assignment, spec: RunSpec) -> bool:
    return assigned.scope == spec.model and assigned.name in {FEATURES, *field_names(MODELS.get(spec.model).config)}


def recipe_lines(declared: Preset) -> Iterator[str]:
    """Whose recipe it is; one that no preset has that is known here is written down."""
    known = preset_or_none(declared.recipe.name)
    if known is not None and known.recipe == declared.recipe:
        yield toml_line("preset", declared.recipe.name)
        return
    yield toml_line("name", declared.recipe.name)
    if declared.searched_as:
        yield toml_line("searched_as", declared.searched_as)
    yield from _recipe(declared.recipe, "recipe")


def _parts(plan: Plan) -> Iterator[str]:
    for preset in plan.presets:
        yield "\n[[parts]]"
        yield toml_line("name", preset.name.removeprefix(f"{_study_name(plan)}-"))
        yield toml_line("summary", preset.summary)
        yield from _recipe(preset.recipe, "recipe")


def _study_name(plan: Plan) -> str:
    return plan.name.removeprefix("study ")


def _recipe(recipe: Recipe, key: str) -> Iterator[str]:
    tables: Mapping[str, Any] = {
        "features": recipe.featurisers,
        "models": recipe.models,
        "training": recipe.training,
        "methods": recipe.methods,
        "every": recipe.every,
        "loss": recipe.losses,
    }
    for name, table in tables.items():
        if table:
            yield f"{key}.{name} = {_value(table)}"


def toml_line(key: str, value: Any) -> str:
    """An assignment in TOML, of text, numbers, truth values, none, lists, and tables of these."""
    return f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    """A value as TOML, which has no word for none: "none" is read as that where a field may have none.

    >>> _value({"a b": 1e-05, "on": True})
    '{ "a b" = 1e-05, on = true }'
    """
    if isinstance(value, Mapping):
        return "{ " + ", ".join(toml_line(key, inner) for key, inner in value.items()) + " }"
    return json.dumps("none" if value is None else value, ensure_ascii=False)
