"""Commands that show what a results folder holds, from its files alone."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import choice_of, command_of, dataset_of_task, flat, runs_of
from pbgraph.cli.commands.views import by_similarity, published
from pbgraph.cli.options import (
    add_arm_arguments,
    add_arms_argument,
    add_data_folder_arguments,
    add_device_argument,
    add_preset_argument,
    add_preset_or_study_arguments,
    add_results_argument,
    add_selection_arguments,
    add_split_arguments,
)
from pbgraph.cli.values import OneOf, file_to_write, picture_to_write, seed
from pbgraph.errors import UsageError
from pbgraph.plans.presets import study
from pbgraph.report.shown import FORMATS, WITH_COLUMNS
from pbgraph.results.arms import parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.report.per_target import PerTarget
    from pbgraph.report.tables import Table

log = logging.getLogger(__name__)

DENDRITE_FORMATS = ("md", "json")
KINDS = {  # of figures of a table
    "curves": "scores over epochs",
    "heatmap": "a cell for each arm and target",
    "forest": "differences with intervals and margin",
    "pareto": "scores against parameters and seconds",
    "cd": "mean ranks with the critical difference",
    "frontier": "of a study: scores against parameters",
}
OF_STUDY = ("frontier", "forest")  # kinds, the usual one first
OF_THE_TABLE = {"--by-similarity": ("metric",), "--published": ("figure", "metric")}  # options that do nothing there


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``table`` takes."""
    parser.set_defaults(command=table)
    parser.add_argument("task", metavar="TASK")
    add_preset_or_study_arguments(parser)
    add_selection_arguments(parser)
    add_arm_arguments(parser)
    add_arms_argument(parser)
    formats = ", ".join(FORMATS)
    parser.add_argument("--format", type=OneOf("format", FORMATS), default="md", help=f"{formats} (default: md)")
    parser.add_argument(
        "--metric",
        nargs="+",
        metavar="NAME",
        help="beside the one that selects, these, e.g. mcc ece; by target, the first; see 'ls metrics'",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME",
        help="which columns are shown, of md and tex: model, method, seeds, metrics by name, parameters, epochs, time, "
        "difference (default: all, in tex those that a page has room for)",
    )
    instead = parser.add_mutually_exclusive_group().add_argument
    instead("--per-target", action="store_true", help="instead, scores of every target; CSV and JSON: by every metric")
    instead(
        "--by-similarity",
        action="store_true",
        help="instead, scores of test rows by their similarity to training, from data and predictions: md, tex, csv",
    )
    instead(
        "--published",
        action="store_true",
        help="instead, what papers report (published.csv), and beside each value the nearest row here: md, tex, csv",
    )
    add_data_folder_arguments(parser)
    parser.add_argument(
        "--figure",
        type=picture_to_write,
        metavar="FILE",
        help="also draw learning curves (of a study: the frontier): .png, .svg or .pdf",
    )
    kinds = ", ".join(KINDS)
    parser.add_argument(
        "--kind",
        type=OneOf("kind of figure", KINDS),
        metavar="NAME",
        help=f"of the figure: {kinds} (default: curves, of a study frontier)",
    )


def table(args: argparse.Namespace) -> int:
    """Show the table of what a results folder holds, from its records alone; draw its picture if asked to."""
    if args.kind is not None and args.figure is None:
        raise UsageError(f"--kind {args.kind} is of a picture; name its file with --figure")
    _check_of_the_table(args)
    _check_columns(args)
    if args.study is not None:
        return _study_table(args)
    if args.kind == "frontier":
        raise UsageError("--kind frontier is of a study; name it with --study, or draw --kind pareto")
    if args.published:
        show(published(args), end="")
        return 0
    from pbgraph.report.per_target import FORMATS as FORMATS_PER_TARGET
    from pbgraph.report.selection import chosen_table

    choice = choice_of(args)
    records, shown = chosen_table(runs_of(args), choice, args.metric)
    if args.by_similarity:
        show(by_similarity(args, shown, records), end="")
    elif args.per_target:
        show(resolve_name(FORMATS_PER_TARGET[args.format])(_per_target(args, shown, records)), end="")
    else:
        show(_formatted(resolve_name(FORMATS[args.format]), shown, args), end="")
    if args.figure is not None:
        _draw(args, records, shown)
    return 0


def _draw(args: argparse.Namespace, records: Sequence[RunRecord], shown: Table) -> None:
    """The picture of a table that is asked for."""
    from pbgraph.report import pictures
    from pbgraph.report.figures import draw_learning_curves
    from pbgraph.report.per_target import draw_heat_map
    from pbgraph.report.selection import drawn_records
    from pbgraph.report.together import together

    match args.kind:
        case "heatmap":
            draw_heat_map(_per_target(args, shown, records), args.figure)
        case "forest":
            pictures.draw_forest({"": shown}, args.figure)
        case "pareto":
            pictures.draw_pareto(shown, args.figure)
        case "cd":
            pictures.draw_critical_difference(shown, together(shown), args.figure)
        case _:
            drawn = drawn_records(records, shown, choice_of(args))
            draw_learning_curves(drawn, args.figure, seeds=shown.protocol.seeds)


def _per_target(args: argparse.Namespace, shown: Table, records: Sequence[RunRecord]) -> PerTarget:
    """The scores of every target, by the first metric that is asked for."""
    from pbgraph.report.per_target import per_target

    return per_target(shown, records, metric=args.metric[0] if args.metric else None)


def _check_of_the_table(args: argparse.Namespace) -> None:
    """Raises UsageError for an option that does nothing for what is shown instead of the table."""
    instead = _instead(args)
    for option in OF_THE_TABLE.get(instead, ()):
        if getattr(args, option) is not None:
            raise UsageError(f"--{option} is of the table itself; leave it out, or {instead}")


def _check_columns(args: argparse.Namespace) -> None:
    """Raises UsageError where columns are named of what has none to choose from."""
    if args.columns is None:
        return
    if option := _instead(args):
        raise UsageError(f"--columns is of the table itself; {option} has columns of its own, choose rows with --arms")
    if args.format not in WITH_COLUMNS:
        raise UsageError(f"--columns is of --format {' and '.join(WITH_COLUMNS)}; {args.format} has all of them")


def _instead(args: argparse.Namespace) -> str:
    """The option by which something else is shown than the table itself; "" for the table."""
    options = {"--per-target": args.per_target, "--by-similarity": args.by_similarity, "--published": args.published}
    return next((option for option, given in options.items() if given), "")


def _formatted(form: Callable[..., str], shown: object, args: argparse.Namespace) -> str:
    return form(shown, args.columns) if args.format in WITH_COLUMNS else form(shown)


def _study_table(args: argparse.Namespace) -> int:
    from pbgraph.report import studies
    from pbgraph.report.families import rows_and_seeds
    from pbgraph.report.selection import narrowed

    chosen, choice = study(args.study), choice_of(args)
    if option := _instead(args) or ("--metric" if args.metric is not None else ""):
        raise UsageError(f"{option} is of one preset's table; leave --study out, and name the part with --preset")
    if args.kind not in (None, *OF_STUDY):
        raise UsageError(f"--kind {args.kind} is of one preset's table; a study has {', '.join(OF_STUDY)}")
    if args.format not in studies.STUDY_FORMATS:
        raise UsageError(f"--format {args.format}: the table of a study has {', '.join(studies.STUDY_FORMATS)}")
    runs, seeds = runs_of(args), flat(args.seeds)
    records = runs.of_study(chosen, args.split)
    arms = {}
    for part in chosen.presets:
        mine = [record for record in records if record.spec.preset == part.recipe.name]
        arms[part.name] = narrowed(rows_and_seeds(part, mine, seeds)[0], choice)
    shown = studies.study_table(
        chosen,
        records,
        seeds=seeds,
        arms=arms,
        plan=runs.plan_of(chosen, records),
        background=runs.background,
    )
    show(_formatted(studies.STUDY_FORMATS[args.format], shown, args), end="")
    if args.figure is not None and args.kind == "forest":
        from pbgraph.report.pictures import draw_forest

        draw_forest(shown.tables, args.figure)
    elif args.figure is not None:
        studies.draw_frontier(shown, args.figure)
    return 0


def add_leaderboard_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``leaderboard`` takes."""
    parser.set_defaults(command=leaderboard)
    add_results_argument(parser)
    parser.add_argument(
        "-o", "--output", type=file_to_write, metavar="FILE", help="write it there (default: to stdout)"
    )


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


def add_dendrites_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``dendrites`` takes."""
    parser.set_defaults(command=dendrites)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("arm", metavar="ARM", help="MODEL/METHOD")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=seed, metavar="N", help="of the run (default: the first that is finished)")
    which.add_argument("--all-seeds", action="store_true", help="over all finished runs, site by site")
    add_preset_argument(parser.add_argument)
    add_split_arguments(parser)
    formats = ", ".join(DENDRITE_FORMATS)
    parser.add_argument(
        "--format", type=OneOf("format", DENDRITE_FORMATS), default="md", help=f"{formats} (default: md)"
    )
    parser.add_argument(
        "--figure", type=picture_to_write, metavar="FILE", help="also draw shares and correlations: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--headroom",
        action="store_true",
        help="what dendrites could learn at each site that generalises, whether or not the run has any; needs the data",
    )
    add_device_argument(parser)
    add_data_folder_arguments(parser)


def dendrites(args: argparse.Namespace) -> int:
    """Show what the dendrites of one finished run learnt, or of all, from their files alone; draw it if asked to.

    With --headroom, what they could learn: from its network and the training molecules.
    """
    if args.all_seeds:
        return _over_runs(args)
    from pbgraph.report.dendrites import FORMATS, draw_dendrites
    from pbgraph.results.insights import finished_run, read_insight

    records, _ = runs_of(args).of_preset(args.preset, args.split)
    record = finished_run(records, parse_arm(args.arm), args.seed, command=command_of(args))
    if args.headroom:
        return _headroom(args, record)
    insight = read_insight(ResultsFolder(args.results), record)
    show(FORMATS[args.format](record.spec, insight, record.correlations), end="")
    if args.figure is not None:
        draw_dendrites(record.spec, insight, args.figure)
    return 0


def _over_runs(args: argparse.Namespace) -> int:
    from pbgraph.report.dendrites_over_runs import FORMATS
    from pbgraph.results.insights import finished_runs, read_insight

    if given := [option for option, value in (("--figure", args.figure), ("--headroom", args.headroom)) if value]:
        raise UsageError(f"{given[0]} is of one run, and --all-seeds of all: give --seed instead, or leave it out")
    records, _ = runs_of(args).of_preset(args.preset, args.split)
    mine = finished_runs(records, parse_arm(args.arm), command=command_of(args))
    show(FORMATS[args.format]([(record, read_insight(ResultsFolder(args.results), record)) for record in mine]), end="")
    return 0


def _headroom(args: argparse.Namespace, record: RunRecord) -> int:
    from pbgraph.datasets.load import make_ready
    from pbgraph.execution.benchmark import device_of
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.execution.headroom import headroom_of, is_saved
    from pbgraph.report.headroom import FORMATS, draw_headroom

    options = RunOptions(args.results, data=args.data, offline=args.offline)
    make_ready(dataset_of_task(args), folder=args.data, offline=args.offline)
    if not is_saved(record.spec, options) and record.cost is not None:
        say(
            f"its network was not saved, so it is trained again; that took {record.cost.seconds:.0f} seconds "
            "(runs with --save-models keep theirs)"
        )
    found = headroom_of(record, options, device=device_of(args.device))
    show(FORMATS[args.format](record.spec, found), end="")
    if args.figure is not None:
        draw_headroom(record.spec, found, args.figure)
    return 0
