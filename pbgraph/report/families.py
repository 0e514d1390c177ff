"""Which comparisons are judged together, by one correction: those of a whole plan, whatever part of it is shown.

A preset is one family with every comparison of its table; a preset that is a part of a study is of the family of all
its parts; a plan file with rows of its own is one with these. So a pair has the same p-value after Holm, and the same
verdict, in the table, in a table of some of its rows, in that of the study, on the leaderboard and by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pbgraph.errors import UsageError
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.presets import preset_or_none, studies
from pbgraph.report.comparisons import Comparison, Family, adjusted, comparable, compare, margin_of
from pbgraph.results.arms import Arm, in_row_order
from pbgraph.results.compared import Pair
from pbgraph.results.protocol import check_one_protocol
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import Registration


@dataclass(frozen=True)
class Declared:
    """What a family is made of: the recipes of its presets, with these where they are known here, in order."""

    name: str
    presets: Mapping[str, Preset | None]


def declared_by(recipe: str) -> Declared:
    """The plan whose comparisons are judged together where those of a preset's recipe are among them."""
    for study in studies().values():
        if recipe in (part.recipe.name for part in study.presets):
            return declared_by_study(study)
    return Declared(f"preset {recipe}", {recipe: preset_or_none(recipe)})


def declared_by_study(study: Study) -> Declared:
    """All parts of a study."""
    return Declared(f"study {study.name}", {part.recipe.name: part for part in study.presets})


def rows_and_seeds(
    preset: Preset | None,
    records: Sequence[RunRecord],
    seeds: Sequence[int] | None = None,
    planned: Sequence[Arm] | None = None,
) -> tuple[list[Arm], list[int]]:
    """The arms and seeds that a table of one preset's records should have.

    preset  what was declared, or None if that is not known
    seeds   that are asked for; else the preset's, or where none of these was run, those that were
    planned  the preset's arms with what is set otherwise in them, if its plan is known
    Every arm with a run of these seeds has a row. So have the preset's arms, with or without, if any of them has one.
    """
    run, declared = {record.spec.seed for record in records}, preset.seeds if preset else ()
    if seeds is None:
        seeds = declared if run.intersection(declared) else sorted(run)
    run_arms = {record.spec.arm for record in records if record.spec.seed in seeds}
    arms = (planned or preset.arms) if preset and set(declared).intersection(seeds) else ()
    arms = arms if run_arms.intersection(arms) else ()
    return in_row_order(arms, run_arms), list(dict.fromkeys(seeds))


def family_of(
    declared: Declared,
    records: Sequence[RunRecord],
    seeds: Sequence[int] | None = None,
    registered: Sequence[Registration] = (),
) -> Family:
    """The comparisons of all its presets, each with its verdict.

    records  of one task and split, those of other presets are left out
    seeds    that are asked for, as of `rows_and_seeds`
    registered  plans; the comparisons of those that have any of these runs are in the family, with runs or without
    What `check_one_protocol` would refuse in a table is in no family either.
    """
    found: list[tuple[str, Comparison]] = []
    absent: list[tuple[str, str, str]] = []
    margin = usual = None
    for recipe, preset in declared.presets.items():
        mine = [record for record in records if record.spec.preset == recipe]
        arms, shown = rows_and_seeds(preset, mine, seeds)
        finished = _finished(mine, shown)
        if finished:
            margin = margin or margin_of(finished, preset.margin if preset else None)
            usual = usual or margin_of(finished)
            mine_found = _compared(finished, arms, shown, preset.named if preset else ())
            found += [(recipe, one) for one in mine_found]
            absent += _absent(recipe, finished, mine_found, registered)
    if margin is None:
        return Family(declared.name, {})
    judged = adjusted([one for _, one in found], margin, absent=len(absent))
    pairs = {(recipe, one.a, one.b): one for (recipe, _), one in zip(found, judged, strict=True)}
    return Family(declared.name, pairs, margin, usual, absent)


def family_of_rows(
    name: str,
    records: Sequence[RunRecord],
    *,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    margin: float | None,
    named: Sequence[Pair] = (),
    registered: Sequence[Registration] = (),
) -> Family:
    """The comparisons of these rows alone, and first those that a plan of them names.

    records: of one preset and split, and of these rows some that finished; registered: as of `family_of`.
    """
    finished = [record for record in _finished(records, seeds) if record.spec.arm in arms]
    if not finished:
        return Family(name, {})
    judging, recipe = margin_of(finished, margin), finished[0].spec.preset
    found = _compared(finished, arms, seeds, named)
    absent = _absent(recipe, finished, found, registered)
    judged = adjusted(found, judging, absent=len(absent))
    return Family(name, {(recipe, one.a, one.b): one for one in judged}, judging, margin_of(finished), absent)


def _absent(
    recipe: str, finished: Sequence[RunRecord], found: Sequence[Comparison], registered: Sequence[Registration]
) -> list[tuple[str, str, str]]:
    """What was registered of these runs of a preset, and is not among what can be compared."""
    keys, there = {record.key for record in finished}, {frozenset((str(one.a), str(one.b))) for one in found}
    pairs = (pair for plan in registered if not keys.isdisjoint(plan.keys) for pair in plan.compared)
    return [(recipe, a, b) for a, b in dict.fromkeys(pairs) if frozenset((a, b)) not in there]


def _finished(records: Sequence[RunRecord], seeds: Sequence[int]) -> list[RunRecord]:
    return [record for record in records if record.status == "finished" and record.spec.seed in seeds]


def _compared(
    finished: Sequence[RunRecord], arms: Sequence[Arm], seeds: Sequence[int], named: Sequence[Pair]
) -> list[Comparison]:
    try:
        check_one_protocol(finished, finished)
    except UsageError:
        return []
    by_arm: dict[Arm, list[RunRecord]] = {}
    for record in finished:
        by_arm.setdefault(record.spec.arm, []).append(record)
    return [compare([*by_arm[a], *by_arm[b]], a, b, seeds=seeds) for a, b in comparable(finished, arms, named)]
