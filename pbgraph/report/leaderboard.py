"""All that a results folder holds -> one static HTML page.

Every task, split and preset has a table of its own, from its records alone: protocols are never mixed. A registered
plan whose runs have the recipe of a preset called otherwise has one, too; where it has all of them, that preset has
none. Rows are in the order of their scores, and have places only where every declared run is there; what is not told
apart shares one. What papers report stands below the tables of its task and split, in a block of its own, with the
nearest rows of ours beside it: other seeds and selection rules make other numbers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from pbgraph.errors import DataError, PbgraphError, UsageError
from pbgraph.humanize import ranges
from pbgraph.plans.presets import USUAL, known_presets, preset_or_none
from pbgraph.report.board import Board, board
from pbgraph.report.downloads import citations
from pbgraph.report.headlines import headlines
from pbgraph.report.html import page, rendered
from pbgraph.report.published import PUBLISHED, Beside, Published, Reported, beside, read_published
from pbgraph.report.published_formats import APART, BESTS, MEANS, Said, said
from pbgraph.report.selection import TaskRuns, seeds_beside, table_of
from pbgraph.results.described import dataset_of, written_command_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import Registration

USUAL_TASK = "tox21"  # that the page begins with
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Literature:
    """What papers report of one task, beside the nearest rows of ours; a block of the page."""

    anchor: str
    title: str
    task: str
    said: Said


@dataclass(frozen=True)
class Section:
    """One task, split and preset of the page, by which name a registered plan goes: its table, or why there is none."""

    anchor: str
    title: str
    task: str
    split: str
    preset: str
    board: Board | None
    problem: str


def leaderboard(results: ResultsFolder, records: Mapping[str, Sequence[RunRecord]] | None = None) -> str:
    """The page; what cannot be read costs a warning and is left out. Raises UsageError if there is no record.

    records  of every task, where they were read before
    """
    try:
        published = read_published(results.root / PUBLISHED)
    except DataError as error:
        log.warning("left out: %s", error)
        published = []
    groups: list[tuple[str, list[Section], dict[str, Literature]]] = []
    for dataset in _by_interest(results.tasks()):
        mine = results.records(dataset) if records is None else records.get(dataset, ())
        if mine:
            runs = TaskRuns(results, dataset, tuple(mine))
            sections, plans = list(_sections(runs)), runs.background.registered
            groups.append((dataset, sections, _reported(dataset, sections, published, mine, plans)))
    if not groups:
        raise UsageError(
            f"{results.root} holds no record; run a benchmark first, or name another folder with --results"
        )
    boards = [section.board for _, sections, _ in groups for section in sections if section.board]
    others = dict.fromkeys(value.task for value in published if value.task not in {dataset for dataset, _, _ in groups})
    not_run = [_reported(task, (), published, (), ()) for task in others]
    content = rendered(
        "leaderboard.html",
        groups=groups,
        elsewhere=[one for found in not_run for one in found.values()],
        headlines=headlines(boards),
        citation=citations([board.table for board in boards], [value.source for value in published]),
        apart=APART,
        means=MEANS,
        bests=BESTS,
    )
    return page("Do perforated dendrites make graph neural networks better?", [content])


def _by_interest(tasks: Iterable[str]) -> list[str]:
    """The usual task first, then by name."""
    return sorted(tasks, key=lambda name: (name != USUAL_TASK, name))


def _reported(
    dataset: str,
    sections: Sequence[Section],
    published: Sequence[Published],
    records: Sequence[RunRecord],
    plans: Sequence[Registration],
) -> dict[str, Literature]:
    """Anchor -> what papers report of the same task and split, below the last of their tables; "" for other splits."""
    last = {section.split: section.anchor for section in sections}
    found: dict[str, list[Beside]] = {}
    for value in published:
        if value.task == dataset:
            found.setdefault(last.get(value.split, ""), []).append(beside(value, records, registered=plans))
    return {anchor: _literature(dataset, anchor, values, sections) for anchor, values in found.items()}


def _literature(dataset: str, below: str, values: Sequence[Beside], sections: Sequence[Section]) -> Literature:
    """The values that stand below the section of this anchor, or if it is "", of splits or a task without any."""
    what = f"split {values[0].published.split}" if below else f"{'splits' if sections else 'a task'} not run here"
    anchor = _anchor("reported", below or dataset)
    return Literature(anchor, f"Reported by papers: {dataset}, {what}", dataset, said(Reported(dataset, tuple(values))))


def _anchor(*words: str) -> str:
    return re.sub("[^a-z0-9]+", "-", "-".join(words).lower())


def _sections(runs: TaskRuns) -> Iterable[Section]:
    """Every split and preset of a task: the usual split first, and of a split the plans that were registered for it."""
    usual, command = _split_of(runs.task, runs.results), written_command_of(runs.task, runs.results)
    known = {name: place for place, name in enumerate(known_presets())}
    groups: dict[tuple[str, str], set[str]] = {}  # split and recipe -> keys of runs
    for record in runs.records:
        groups.setdefault((record.spec.split, record.spec.preset), set()).add(record.key)
    named: dict[tuple[str, str], bool] = {}  # split and preset -> whether it was registered
    for (split, recipe), keys in groups.items():
        plans = _registered(runs, recipe, keys)
        named |= dict.fromkeys([(split, name) for name in plans], True)
        if recipe not in plans and not any(keys <= of_plan for of_plan in plans.values()):
            named[split, recipe] = False

    def place(group: tuple[str, str]) -> tuple[bool, str, bool, bool, int, str]:
        split, preset = group
        return split != usual, split, not named[group], preset != USUAL, known.get(preset, len(known)), preset

    for split, preset in sorted(named, key=place):
        yield _section(runs, split, preset, command=command)


def _registered(runs: TaskRuns, recipe: str, keys: Set[str]) -> dict[str, Set[str]]:
    """The presets known here that some of these runs of a recipe were registered by -> the keys of their plans."""
    found: dict[str, Set[str]] = {}
    for plan in runs.background.registered:
        known = preset_or_none(plan.name)
        if known is not None and known.recipe.name == recipe and not keys.isdisjoint(plan.keys):
            found[plan.name] = found.get(plan.name, set()) | set(plan.keys)
    return {recipe: found[recipe]} if recipe in found else found


def _split_of(dataset: str, results: ResultsFolder) -> str:
    """The usual split of a task; "" of one that is not known here, whose records are shown all the same."""
    try:
        return dataset_of(dataset, results).split
    except PbgraphError:
        return ""


def _section(runs: TaskRuns, split: str, preset: str, *, command: str) -> Section:
    """One table."""
    anchor = _anchor(runs.task, split, preset)
    title = f"{runs.task}, split {split}, preset {preset}"
    try:
        records, table = table_of(runs, Choice(preset=preset, split=split))
        notes = []
        if len({tuple((one.trials, one.seeds) for one in searches) for searches in table.tried.values()}) > 1:
            notes.append(
                "Budgets of search differ between rows: part of a difference can be what was spent on settings."
            )
        if others := seeds_beside(table, records):
            notes.append(f"Runs of seeds {ranges(others)}, which the preset does not declare, are not shown.")
        made = board(table, records, anchor=anchor, title=title, preset=preset, command=command, notes=notes)
    except PbgraphError as error:
        return Section(anchor, title, runs.task, split, preset, None, str(error))
    return Section(anchor, title, runs.task, split, preset, made, "")
