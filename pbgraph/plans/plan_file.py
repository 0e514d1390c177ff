"""Plan files: TOML that says which rows and seeds to run, on which task, and by which recipe.

    task = "tox21"                    # the data set; left out of a preset, which is for any
    split = "random"                  # default: the task's usual one
    seeds = "68-72"                   # default: those of the preset it is based on
    reinitialised = "68-69"           # seeds whose splits are trained on once more, as seeds 1068-1069; default: none
    margin = 0.01                     # smallest difference that matters; default: what the metric declares
    primary = ["trimnet/perforated", "trimnet/backprop"]    # the comparison that it is made for; default: none
    secondary = [["trimnet/backprop", "gin/backprop"]]      # others beside those that tables make anyway; default: none
    searched_as = "default"           # preset by whose searches its recipe was found; default: the one it is based on
    preset = "default"                # whose recipe holds (that is the default); or [recipe] with one of its own

    [[arms]]
    model = "trimnet"
    method = ["backprop", "perforated", "continued"]
    label = "wide"                    # what tables call these rows; default: what is set
    config = { hidden = 64 }          # of the model
    settings = { epochs = 60 }        # of the methods; a control shares those of what it is paired with
    search = { file = "results/tuning/tox21/trimnet-backprop.jsonl", trial = 7, trials = 20, seeds = "0-2" }
                                      # without any [[arms]]: those of the `preset`, which has to be named then

    [recipe]                          # see `pbgraph.plans.declaration.Recipe`; `features` and `loss` are its
    every = { epochs = 2 }            # `featurisers` and `losses`
    models.gin = { readout = "mean" }

    [seconds]                         # what a run takes, for time estimates
    "gin/backprop" = 65

A study has [[parts]], each with a name, a summary and a recipe that is laid over that of the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pbgraph.errors import UsageError
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.humanize import ranges
from pbgraph.plans.declaration import DEVELOPMENT_SEEDS, SECOND, FoundBy, Preset, Recipe, Row, Study
from pbgraph.plans.toml_section import Section
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.compared import Pair
from pbgraph.results.record_checks import name_problem
from pbgraph.splits import SPLITS

KEYS = (
    "name",
    "summary",
    "task",
    "split",
    "seeds",
    "reinitialised",
    "margin",
    "primary",
    "secondary",
    "searched_as",
    "preset",
    "arms",
    "recipe",
    "seconds",
    "parts",
)
ARM_KEYS = ("model", "method", "label", "config", "settings", "search")
RECIPE_KEYS = ("features", "models", "training", "methods", "every", "loss")
SEARCH_KEYS = ("file", "trial", "trials", "seeds")
PART_KEYS = ("name", "summary", "recipe")


def read_plan(path: Path) -> Preset | Study:
    """What a plan file declares: with [[parts]], a study. Raises UsageError, which names file, line and key."""
    try:
        text = read_bytes(path, MEBIBYTE).decode("utf-8")
    except UnreadableError as error:
        raise UsageError(f"plan {path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"plan {path} is not TOML: {error}") from error
    return parsed_plan(text, path)


def parsed_plan(text: str, path: Path) -> Preset | Study:
    """What the text of a plan file declares; path: where it is, for its name and for errors, which are as above."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"plan {path} is not TOML: {error}") from error
    top = Section(path, text, content, ())
    top.check_keys(KEYS)
    name = top.text("name", path.stem)
    if problem := name_problem("the plan", name):
        top.fail("name", problem)
    return _study(top, name) if "parts" in content else _preset(top, name)


def _preset(top: Section, name: str) -> Preset:
    if "recipe" in top.table and "preset" in top.table:
        top.fail("preset", "a plan has a [recipe] of its own or uses that of a preset; leave one of them out")
    base = None if "recipe" in top.table else _base(top)
    rows = base.rows if base and "preset" in top.table and "arms" not in top.table else tuple(_rows(top))
    seeds = top.seeds("seeds") if "seeds" in top.table else base.seeds if base else None
    if seeds is None:
        top.fail("seeds", 'seeds are missing; declare them, as in seeds = "68-72"')
    _check_seeds(top, seeds or (), rows)
    again = _again(top, seeds or ())
    declared = Preset(
        name=name,
        summary=top.text("summary", ""),
        rows=rows,
        seeds=(*(seeds or ()), *again),
        recipe=base.recipe if base else _recipe(top.section("recipe"), name),
        seconds={**(base.seconds if base else {}), **_seconds(top.section("seconds"))},
        task=top.text("task", ""),
        split=top.text("split", ""),
        margin=top.number("margin"),
        primary=_pair(top, "primary", top.table["primary"], rows) if "primary" in top.table else None,
        secondary=tuple(_secondary(top, rows)),
        searched_as=top.text("searched_as", base.searched_as if base else ""),
        again=frozenset(again) if "seeds" in top.table or not base else base.again.union(again),
        where=top.where,
    )
    if base and name == base.recipe.name:
        _check_judged_alike(top, declared, base)
    return declared


def _check_judged_alike(top: Section, declared: Preset, base: Preset) -> None:
    """Raises UsageError for a plan that is called like the preset whose runs it has, and judges them otherwise."""
    for key in ("margin", "primary", "secondary"):
        if key in top.table and getattr(declared, key) != getattr(base, key):
            name = declared.name
            top.fail(key, f"a plan of preset {name}'s runs that judges otherwise needs a name that is not {name!r}")


def _base(top: Section) -> Preset:
    from pbgraph.plans.presets import preset  # which reads the files of the package

    name = top.text("preset", "default")
    try:
        return preset(name)
    except UsageError as error:
        return cast(Preset, top.fail("preset", str(error)))


def _study(top: Section, name: str) -> Study:
    """A preset for every part, called after file and part."""
    presets: list[Preset] = []
    for part in top.sections("parts"):
        part.check_keys(PART_KEYS)
        of_part = {
            **{key: value for key, value in top.table.items() if key not in ("parts", "name")},
            "summary": part.text("summary"),
            "recipe": _laid_over(top.section("recipe").table, part.section("recipe").table),
        }
        called = f"{name}-{part.text('name')}"
        if any(preset.name == called for preset in presets):
            part.fail("name", f"two parts are called {part.text('name')!r}")
        presets.append(_preset(Section(top.path, top.source, of_part, ()), called))
    if not presets:
        top.fail("parts", "there are no parts; add one under [[parts]], or leave the key out")
    return Study(name, top.text("summary", ""), tuple(presets))


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both, one in the other; where both have a value, that of `above`."""
    return {
        **below,
        **{
            key: _laid_over(below[key], value)
            if isinstance(value, dict) and isinstance(below.get(key), dict)
            else value
            for key, value in above.items()
        },
    }


def _rows(top: Section) -> Iterator[Row]:
    sections = top.sections("arms")
    if not sections:
        top.fail("arms", "it names no arm; add one under [[arms]], with a model and a method, or name a preset")
    labels: dict[str, str] = {}  # of each variant of a model
    seen: set[tuple[str, str]] = set()  # methods of variants
    labelled: set[tuple[str, str]] = set()
    for section in sections:
        section.check_keys(ARM_KEYS)
        row = _row(section)
        variant = repr((row.model, sorted(row.config.items()), sorted(row.settings.items())))
        two = _two_labels(labels.setdefault(variant, row.label), row.label)
        for method in row.methods:
            arm = f"{row.model}/{method}"
            if (variant, method) in seen:
                section.fail("model", f"arm {arm} is there twice with the same settings{two}; leave one out")
            if row.label and (arm, row.label) in labelled:
                section.fail("label", f"two variants of {arm} are labelled {row.label!r}; call one otherwise")
            seen.add((variant, method))
            labelled.add((arm, row.label))
        if two:
            section.fail("label", f"one variant of {row.model} is there twice{two}; give all its methods one label")
        yield row


def _two_labels(first: str, other: str) -> str:
    if first == other:
        return ""
    once = [f"once labelled {label!r}" if label else "once without a label" for label in (first, other)]
    return f", {once[0]} and {once[1]}"


def _row(section: Section) -> Row:
    if "method" not in section.table:
        section.fail("method", "method is missing; expected a name, or a list of names")
    methods = section.table["method"]
    methods = [methods] if isinstance(methods, str) else methods
    if not isinstance(methods, list) or not methods or not all(isinstance(name, str) and name for name in methods):
        section.fail("method", f"method is {section.table.get('method')!r:.100}; expected a name, or a list of names")
    methods = methods or []
    if twice := [name for name in methods if methods.count(name) > 1]:
        section.fail("method", f"method names {twice[0]!r} twice; leave one out")
    label = section.text("label") if "label" in section.table else ""
    if label and (problem := name_problem("an arm", label)):
        section.fail("label", problem)
    return Row(
        model=section.text("model"),
        methods=tuple(methods),
        label=label,
        config=section.section("config").table,
        settings=section.section("settings").table,
        search=_search(section.section("search")) if "search" in section.table else None,
        where=lambda key: section.where(*key.split(".", 1)),
    )


def _search(section: Section) -> FoundBy:
    section.check_keys(SEARCH_KEYS)
    if "seeds" not in section.table:
        section.fail("seeds", "seeds are missing: those of the search")
    if "trial" not in section.table:
        section.fail("trial", "trial is missing: its number")
    trial = section.table["trial"]
    if isinstance(trial, bool) or not isinstance(trial, int) or trial < 0:
        section.fail("trial", f"trial is {trial!r:.100}; expected its number")
    trials = section.number("trials", whole=True)
    if trials is None:
        section.fail("trials", "trials are missing: how many settings were tried")
    return FoundBy(section.text("file"), int(trial or 0), int(trials or 0), section.seeds("seeds"))


def _check_seeds(top: Section, seeds: Sequence[int], rows: Sequence[Row]) -> None:
    """Raises UsageError for seeds by whose validation rows settings were chosen, or that the split does not take.

    A split that has a few seeds of its own, as cross-validation has its folds, has none for development apart.
    """
    folds = _seeds_of_split(top, seeds)
    if not folds and (taken := sorted(set(seeds).intersection(DEVELOPMENT_SEEDS))):
        top.fail(
            "seeds",
            f"seeds {ranges(taken)} are development seeds ({ranges(list(DEVELOPMENT_SEEDS))}), by which settings are "
            "chosen; take others, as in 68-72",
        )
    for row in rows:
        if row.search:
            try:
                row.search.check_other_seeds(seeds, row.model)
            except UsageError as error:
                raise row.at("model", error) from error


def _seeds_of_split(top: Section, seeds: Sequence[int]) -> range | None:
    """The only seeds that the plan's split takes, if not every one will do. Raises UsageError for others."""
    if not (name := top.text("split", "")):
        return None
    try:
        splitter = SPLITS.get(name)
    except UsageError as error:
        top.fail("split", str(error))
    if (folds := splitter.seeds) is not None and (strange := sorted(set(seeds).difference(folds))):
        most = f"{folds[0]}-{folds[-1]}"
        top.fail(
            "seeds", f'split {name} takes seeds {most}, and not {ranges(strange)}; write seeds = "{most}", or some'
        )
    return folds


def _again(top: Section, seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds of the second initialisations. Raises UsageError unless the splits they are on are the plan's."""
    if "reinitialised" not in top.table:
        return ()
    named = top.seeds("reinitialised")
    if missing := sorted(set(named).difference(seeds)):
        top.fail(
            "reinitialised", f"seeds {ranges(missing)} are none of the plan's, {ranges(seeds)}; name some of these"
        )
    again = tuple(seed + SECOND for seed in named)
    if taken := sorted(set(again).intersection(seeds)):
        top.fail("reinitialised", f"second initialisations have seeds {ranges(taken)}, which are the plan's already")
    return again


def _secondary(top: Section, rows: Sequence[Row]) -> Iterator[Pair]:
    named = top.table.get("secondary", [])
    if not isinstance(named, list):
        top.fail("secondary", f"secondary is {named!r:.100}; expected a list of pairs, each as `primary` is one")
    for pair in named:
        yield _pair(top, "secondary", pair, rows)


def _pair(top: Section, key: str, named: object, rows: Sequence[Row]) -> Pair:
    """The two arms of a comparison. Raises UsageError unless the plan has rows of both."""
    if not isinstance(named, list) or len(named) != 2 or not all(isinstance(text, str) for text in named):
        top.fail(key, f'{named!r:.100} is no comparison; expected two arms, as in ["gin/perforated", "gin/continued"]')
    try:
        a, b = (parse_arm(text) for text in cast(list[str], named))
    except UsageError as error:
        return cast(Pair, top.fail(key, str(error)))
    there = {arm: None for row in rows for arm in row.arms}
    if missing := [arm for arm in (a, b) if arm.plain not in there]:
        top.fail(key, f"the plan has no arm {missing[0]}; it has {', '.join(map(str, there))}")
    if a == b:
        top.fail(key, f"it compares {a} with itself; name two arms")
    return a, b


def _recipe(section: Section, name: str) -> Recipe:
    section.check_keys(RECIPE_KEYS)
    return Recipe(
        name=name,
        featurisers=_texts(section.section("features")),
        models=_tables(section.section("models")),
        training=_tables(section.section("training")),
        methods=_tables(section.section("methods")),
        every=section.section("every").table,
        losses=cast(
            Any, {kind: _texts(section.section("loss").section(kind)) for kind in section.section("loss").table}
        ),
    )


def _tables(section: Section) -> dict[str, Mapping[str, Any]]:
    return {name: section.section(name).table for name in section.table}


def _texts(section: Section) -> dict[str, str]:
    return {name: section.text(name) for name in section.table}


def _seconds(section: Section) -> dict[Arm, float]:
    seconds = {}
    for arm in section.table:
        try:
            seconds[parse_arm(arm)] = section.number(arm) or 0.0
        except UsageError as error:
            section.fail(arm, str(error).removeprefix(f"{section.where(arm)}: "))
    return seconds
