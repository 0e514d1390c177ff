"""Commands that show what a results folder holds, from its files alone."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import check_known, command_of, dataset_of_task, flat
from pbgraph.errors import UsageError, unknown_name
from pbgraph.methods.roles import PERFORATED
from pbgraph.plans.declaration import Preset
from pbgraph.plans.presets import USUAL, preset_or_none, study
from pbgraph.report.shown import FORMATS
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.protocol import choices, usual_or_only
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.report.comparisons import Comparison
    from pbgraph.report.stats import Interval
    from pbgraph.report.tables import Table

log = logging.getLogger(__name__)

DENDRITE_FORMATS = ("md", "json")


def table(args: argparse.Namespace) -> int:
    """Show the table of what a results folder holds, from its records alone; draw its picture if asked to."""
    if args.study is not None:
        return _study_table(args)
    from pbgraph.report.figures import draw_learning_curves

    records, made = _table(args)
    show(resolve_name(FORMATS[args.format])(made), end="")
    if args.figure is not None:
        model = next((arm for arm in made.arms if arm.method == PERFORATED), made.arms[0]).model
        drawn = [arm for arm in made.arms if args.arms is not None or arm.model == model]
        of_arms = [record for record in records if record.spec.arm in drawn]
        draw_learning_curves(of_arms, args.figure, seeds=made.protocol.seeds)
    return 0


def _study_table(args: argparse.Namespace) -> int:
    from pbgraph.report import studies
    from pbgraph.report.tables import rows_and_seeds

    chosen = study(args.study)
    if args.format not in studies.STUDY_FORMATS:
        raise UsageError(f"--format {args.format}: the table of a study has {', '.join(studies.STUDY_FORMATS)}")
    records, seeds = _study_records(args), flat(args.seeds)
    arms = {}
    for preset in chosen.presets:
        mine = [record for record in records if record.spec.preset == preset.name]
        arms[preset.name] = _of_names(args, rows_and_seeds(preset, mine, seeds)[0])
    made = studies.study_table(chosen, records, seeds=seeds, arms=arms)
    show(studies.STUDY_FORMATS[args.format](made), end="")
    if args.figure is not None:
        studies.draw_frontier(made, args.figure)
    return 0


def leaderboard(args: argparse.Namespace) -> int:
    """Write one web page of all that a results folder holds."""
    from pbgraph.files.writing import replaced_file
    from pbgraph.report.leaderboard import leaderboard

    text = leaderboard(ResultsFolder(args.results))
    if args.output is None:
        show(text, end="")
        return 0
    with replaced_file(args.output) as part:
        part.write_text(text, encoding="utf-8")
    say(f"written to {args.output}")
    return 0


def compare(args: argparse.Namespace) -> int:
    """Show the paired difference of two arms, seed by seed, with both intervals and a verdict."""
    from pbgraph.report import comparisons
    from pbgraph.report.formats import comparison_lines, scales
    from pbgraph.report.tables import make_table, rows_and_seeds

    records, preset = _records(args)
    arms = (parse_arm(args.a), parse_arm(args.b))
    known = {record.spec.arm for record in records}
    for arm in arms:
        if arm not in known:
            raise unknown_name("arm", str(arm), map(str, known))
    both = [record for record in records if record.spec.arm in arms]
    _, seeds = rows_and_seeds(preset, both, flat(args.seeds))
    shown = make_table(records, arms=arms, seeds=seeds)
    difference = comparisons.compare(records, *arms, seeds=seeds)
    a, b = (next(row for row in shown.rows if row.arm == arm) for arm in arms)
    scores = {seed: (a.test[seed], b.test[seed]) for seed in difference.seeds}
    scale = scales(shown)[shown.metrics[0]]
    show(comparison_lines(difference, scores, _bootstrap(args, records, difference), scale=scale), end="")
    return 0


def _bootstrap(args: argparse.Namespace, records: Sequence[RunRecord], found: Comparison) -> Interval | None:
    """Seeds and molecules resampled; None, with a warning, if predictions are not there or leave nothing to score."""
    from pbgraph.execution.engines.progress import counted
    from pbgraph.metrics import METRICS
    from pbgraph.report.stats import hierarchical_bootstrap
    from pbgraph.results.predictions import paired_predictions

    by_run = {(record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"}
    pairs = [(by_run[found.a, seed], by_run[found.b, seed]) for seed in found.seeds]
    try:
        predicted = [paired_predictions(ResultsFolder(args.results), *pair) for pair in pairs]
    except FileNotFoundError as error:
        log.warning("no bootstrap interval: %s is not there", error.filename)
        return None
    metric = METRICS.get(pairs[0][0].spec.metric)
    with counted("seeds resampled", len(predicted)) as done:
        interval = hierarchical_bootstrap(predicted, metric, done=done)
    if interval is None:
        log.warning("no bootstrap interval: %s is undefined for all resampled molecules", metric.name)
    return interval


def dendrites(args: argparse.Namespace) -> int:
    """Show what the dendrites of one finished run learnt, from its files alone; draw it if asked to."""
    from pbgraph.report.dendrites import FORMATS, draw_dendrites
    from pbgraph.results.insights import finished_run, read_insight

    record = finished_run(_records(args)[0], parse_arm(args.arm), args.seed, command=command_of(args))
    found = read_insight(ResultsFolder(args.results), record)
    show(FORMATS[args.format](record.spec, found), end="")
    if args.figure is not None:
        draw_dendrites(record.spec, found, args.figure)
    return 0


def _table(args: argparse.Namespace) -> tuple[list[RunRecord], Table]:
    """The records that the arguments choose, and their table."""
    from pbgraph.report.tables import make_table, rows_and_seeds

    records, preset = _records(args)
    known = {str(record.spec.arm) for record in records} | {str(arm) for arm in (preset.arms if preset else ())}
    for text in args.arms or ():
        if str(parse_arm(text)) not in known:
            raise unknown_name("arm", text, known)
    of_arms = [record for record in records if record.spec.arm in _of_names(args, [record.spec.arm])]
    arms, seeds = rows_and_seeds(preset, of_arms or records, flat(args.seeds))
    others = sorted({record.spec.seed for record in of_arms} - set(seeds))
    if others:
        log.warning("runs of seeds %s are not shown; --seeds shows them", ", ".join(map(str, others)))
    return records, make_table(records, arms=_of_names(args, arms), seeds=seeds)


def _of_names(args: argparse.Namespace, arms: Iterable[Arm]) -> list[Arm]:
    """The arms that ``--models``, ``--methods`` and ``--arms`` leave."""
    named = args.arms and [parse_arm(text) for text in args.arms]
    return [
        arm
        for arm in arms
        if args.models is None or arm.model in args.models
        if args.methods is None or arm.method in args.methods
        if named is None or arm in named
    ]


def _records(args: argparse.Namespace) -> tuple[list[RunRecord], Preset | None]:
    """The records of the task, preset and split that the arguments name, and the preset if it is known here.

    What is not named is as usual; where that has no run, it is what all the runs that are there have in common.
    """
    presets = None if args.preset is None else [args.preset]
    mine = _chosen(args, presets, f"preset {args.preset or USUAL}", lambda spec: f"preset {spec.preset}")
    return mine, preset_or_none(mine[0].spec.preset)


def _study_records(args: argparse.Namespace) -> list[RunRecord]:
    """The records of the task, study and split that the arguments name; the split as for `_records`."""
    what = f"study {args.study}"
    return _chosen(args, [one.name for one in study(args.study).presets], what, lambda _: what)


def _chosen(
    args: argparse.Namespace, presets: Collection[str] | None, usual: str, name: Callable[[RunSpec], str]
) -> list[RunRecord]:
    """The records of the task that have one of these presets, the named split, and one name with it.

    usual, name  what is wanted, and what a run has: "preset NAME" or "study NAME"
    """
    dataset = dataset_of_task(args)
    for kind in ("models", "methods"):
        check_known(kind, getattr(args, kind, None) or ())
    check_known("splits", [args.split] if args.split else ())
    every = ResultsFolder(args.results).records(args.task)
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for record in every:
        if (presets is None or record.spec.preset in presets) and args.split in (None, record.spec.split):
            found.setdefault((name(record.spec), record.spec.split), []).append(record)
    what, split = wanted = usual, args.split or dataset.split
    chosen = usual_or_only(found, wanted)
    if chosen is None:
        there = choices((record.spec for record in every), "preset", "split")
        raise UsageError(
            f"{args.results} holds no run of {args.task} with {what} and split {split}"
            + (f", but those of {there}; choose with --preset and --split" if every else "")
            + f"; '{command_of(args)} --{what} --split {split}' makes them"
        )
    return chosen
