"""Commands that show what a results folder holds, from its files alone."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pbgraph.commands.names import check_known, dataset_of_task, flat, is_task
from pbgraph.errors import UsageError, unknown_name
from pbgraph.presets import preset, study
from pbgraph.records import ResultsFolder, RunRecord

if TYPE_CHECKING:
    from pbgraph.stats import Interval
    from pbgraph.tables import Comparison, Table

log = logging.getLogger(__name__)

FORMATS = {
    "md": "pbgraph.formats:to_markdown",
    "tex": "pbgraph.latex:to_latex",
    "csv": "pbgraph.formats:to_csv",
    "html": "pbgraph.html:to_html",
    "json": "pbgraph.formats:to_json",
}
DENDRITE_FORMATS = ("md", "json")


def table(args: argparse.Namespace) -> int:
    """Show the table of what a results folder holds, from its records alone; draw its picture if asked to."""
    if args.study is not None:
        return _study_table(args)
    from pbgraph.figures import draw_learning_curves

    records, made = _table(args)
    print(resolve_name(FORMATS[args.format])(made), end="")
    if args.figure is not None:
        models = [arm.split("/")[0] for arm in made.arms if arm.endswith("/perforated")]
        model = models[0] if models else made.arms[0].split("/")[0]
        draw_learning_curves(
            [record for record in records if record.spec.model == model], args.figure, seeds=made.protocol.seeds
        )
    return 0


def _study_table(args: argparse.Namespace) -> int:
    from pbgraph import studies

    chosen = study(args.study)
    if args.format not in studies.STUDY_FORMATS:
        raise UsageError(f"--format {args.format}: the table of a study has {', '.join(studies.STUDY_FORMATS)}")
    made = studies.study_table(chosen, _records(args), seeds=flat(args.seeds))
    print(studies.STUDY_FORMATS[args.format](made), end="")
    if args.figure is not None:
        studies.draw_frontier(made, args.figure)
    return 0


def leaderboard(args: argparse.Namespace) -> int:
    """Write one web page of all that a results folder holds."""
    from pbgraph.files import replaced_file
    from pbgraph.leaderboard import leaderboard

    text = leaderboard(ResultsFolder(args.results))
    if args.output is None:
        print(text, end="")
        return 0
    with replaced_file(args.output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"written to {args.output}", file=sys.stderr)
    return 0


def compare(args: argparse.Namespace) -> int:
    """Show the paired difference of two arms, seed by seed, with both intervals and a verdict."""
    from pbgraph import tables
    from pbgraph.formats import comparison_lines

    records, seeds = _records(args), _seeds(args)
    known = sorted({record.spec.arm for record in records})
    for arm in (args.a, args.b):
        if arm not in known:
            raise unknown_name("arm", arm, known)
    made = tables.make_table(records, arms=[args.a, args.b], seeds=seeds)
    found = tables.compare(records, args.a, args.b, seeds=seeds)
    a, b = (next(row for row in made.rows if row.arm == arm) for arm in (args.a, args.b))
    scores = {seed: (a.test[seed], b.test[seed]) for seed in found.seeds}
    print(comparison_lines(found, scores, _bootstrap(args, records, found)), end="")
    return 0


def _bootstrap(args: argparse.Namespace, records: Sequence[RunRecord], found: Comparison) -> Interval | None:
    """Seeds and molecules resampled; None, with a warning, if a file of predictions is not there."""
    from pbgraph.metrics import METRICS
    from pbgraph.predictions import paired_predictions
    from pbgraph.stats import hierarchical_bootstrap

    by_run = {(record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"}
    pairs = [(by_run[found.a, seed], by_run[found.b, seed]) for seed in found.seeds]
    try:
        predicted = [paired_predictions(ResultsFolder(args.results), *pair) for pair in pairs]
    except FileNotFoundError as error:
        log.warning("no bootstrap interval: %s is not there", error.filename)
        return None
    return hierarchical_bootstrap(predicted, METRICS.get(pairs[0][0].spec.metric))


def dendrites(args: argparse.Namespace) -> int:
    """Show what the dendrites of one finished run learnt, from its files alone; draw it if asked to."""
    from pbgraph.insight import finished_run, read_insight
    from pbgraph.insight_views import FORMATS, draw_dendrites

    record = finished_run(_records(args), args.arm, args.seed)
    found = read_insight(ResultsFolder(args.results), record)
    print(FORMATS[args.format](record.spec, found), end="")
    if args.figure is not None:
        draw_dendrites(record.spec, found, args.figure)
    return 0


def _table(args: argparse.Namespace) -> tuple[list[RunRecord], Table]:
    """The records that the arguments choose, and their table."""
    from pbgraph.tables import make_table

    records, seeds = _records(args), _seeds(args)
    declared = ["/".join(arm) for arm in preset(args.preset).arms]
    arms = [
        arm
        for arm in dict.fromkeys([*declared, *(record.spec.arm for record in records if record.spec.seed in seeds)])
        for model, method in [arm.split("/")]
        if args.models is None or model in args.models
        if args.methods is None or method in args.methods
    ]
    others = sorted({record.spec.seed for record in records} - set(seeds))
    if others:
        log.warning("runs of seeds %s are not shown; --seeds shows them", ", ".join(map(str, others)))
    return records, make_table(records, arms=arms, seeds=seeds)


def _records(args: argparse.Namespace) -> list[RunRecord]:
    """The records of the task, preset and split that the arguments name."""
    dataset = dataset_of_task(args)
    for kind in ("models", "methods"):
        check_known(kind, getattr(args, kind, None) or ())
    check_known("splits", [args.split] if args.split else ())
    found = ResultsFolder(args.results).records(args.task)
    split = args.split or dataset.split
    of_study = getattr(args, "study", None)
    presets = [args.preset] if of_study is None else [one.name for one in study(of_study).presets]
    mine = [record for record in found if record.spec.preset in presets and record.spec.split == split]
    if not mine:
        what = f"preset {args.preset}" if of_study is None else f"study {of_study}"
        raise UsageError(
            f"{args.results} holds no run of {args.task} with {what} and split {split}; "
            f"'python -m pbgraph.bench {_makes(args.task)} --{what} --split {split}' makes them"
        )
    return mine


def _makes(task: str) -> str:
    return task if is_task(task) else "train"


def _seeds(args: argparse.Namespace) -> list[int]:
    chosen = flat(args.seeds)
    return list(preset(args.preset).seeds) if chosen is None else list(dict.fromkeys(chosen))
