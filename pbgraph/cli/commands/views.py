"""What ``table`` shows instead of the table itself, where that takes more than its records."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import choice_of, dataset_of_task, runs_of
from pbgraph.errors import DataError, UsageError
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

if TYPE_CHECKING:
    from pbgraph.report.published import Published
    from pbgraph.report.tables import Table
    from pbgraph.results.lookup import Choice


def by_similarity(args: argparse.Namespace, shown: Table, records: Sequence[RunRecord]) -> str:
    """The scores of a table by similarity to training. Raises DataError where data or predictions are not there."""
    from pbgraph.datasets.load import load
    from pbgraph.execution.engines.progress import counted
    from pbgraph.report.by_similarity import by_similarity
    from pbgraph.report.similarity_formats import FORMATS

    form = _form(args, FORMATS, "scores by similarity")
    results = ResultsFolder(args.results)
    molecules = load(dataset_of_task(args), folder=args.data, offline=args.offline)
    try:
        with counted("pairs compared", len(shown.comparisons)) as done:
            view = by_similarity(shown, records, results, molecules, done=done)
    except FileNotFoundError as error:
        raise DataError(
            f"scores by similarity need the predictions of every run, and {error.filename} is not there; restore it, "
            "or leave its arm out with --models, --methods or --arms"
        ) from error
    text: str = resolve_name(form)(view)
    return text


def published(args: argparse.Namespace) -> str:
    """What papers report of a task, and ours beside it.

    Raises DataError for a file that is not as it should be, and UsageError where it has no such value.
    """
    from pbgraph.report.published import PUBLISHED, Reported, beside, read_published
    from pbgraph.report.published_formats import FORMATS

    form = _form(args, FORMATS, "values of papers")
    runs, path = runs_of(args), ResultsFolder(args.results).root / PUBLISHED
    choice = choice_of(args)
    every = [value for value in read_published(path) if value.task == args.task]
    values = [value for value in every if _is_asked_for(value, choice)]
    if not values:
        there = f"{len(every)} of {args.task}, none of what is asked for" if every else f"none of {args.task}"
        raise UsageError(f"{path} has the values of papers, {there}; a line of it is a value, see CONTRIBUTING.md")
    preset = runs.recipe_of(choice.preset)
    seeds = None if choice.seeds is None else list(choice.seeds)
    plans = runs.background.registered
    placed = tuple(
        beside(value, runs.records, preset=preset, seeds=seeds, registered=plans, plan=choice.preset)
        for value in values
    )
    text: str = resolve_name(form)(Reported(args.task, placed))
    return text


def _is_asked_for(value: Published, choice: Choice) -> bool:
    """Whether a value is of the split that is named, and has a row beside it that is."""
    from pbgraph.report.selection import narrowed
    from pbgraph.results.arms import parse_arm

    any_row = (choice.models, choice.methods, choice.arms) == (None, None, None)
    row_is = any_row or bool(value.arm and narrowed([parse_arm(value.arm)], choice))
    return row_is and choice.split in (None, value.split)


def _form(args: argparse.Namespace, formats: Mapping[str, str], what: str) -> str:
    """The name of what writes the format that is asked for. Raises UsageError for one that these do not have."""
    if args.format not in formats:
        raise UsageError(f"--format {args.format}: {what} have {', '.join(formats)}")
    return formats[args.format]
