"""Commands to see how runs stand, to look at them one by one, and to move them away."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import check_known, choice_of, command_of, dataset_of_task
from pbgraph.cli.options import add_choice_arguments, add_jobs_argument, add_planned_arguments, add_results_argument
from pbgraph.cli.values import file_to_write
from pbgraph.errors import DataError, UsageError, unknown_name
from pbgraph.humanize import plural
from pbgraph.plans.presets import USUAL, preset_or_none, presets
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.lookup import Choice, find_run
from pbgraph.results.records import RunRecord
from pbgraph.terminal import say, show

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.execution.standing import Standing
    from pbgraph.insight import Insight

log = logging.getLogger(__name__)


def add_status_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``status`` takes."""
    parser.set_defaults(command=status, engine="local", shard=None)
    parser.add_argument("task", nargs="?", metavar="TASK", help="one task (default: all in the results folder)")
    add_planned_arguments(parser)
    add_jobs_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs: every run with its state")


def status(args: argparse.Namespace) -> int:
    """Show how the runs of one task or of all tasks stand, while others do them."""
    from pbgraph.execution.standing import describe_standing
    from pbgraph.report.formats import json_text

    results = ResultsFolder(args.results)
    tasks = [args.task] if args.task is not None else _tasks_in(results)
    standings = [_standing(args, name, results) for name in tasks]
    if args.json:
        show(json_text(standings), end="")
    elif standings:
        show("\n".join(describe_standing(state) for state in standings))
    else:
        say(f"{results.root} holds no run, and none is in progress; 'python -m pbgraph.bench TASK' makes some")
    return 0


def _tasks_in(results: ResultsFolder) -> list[str]:
    """The tasks that there are records of, of runs in progress, and of registered plans."""
    from pbgraph.results.progress import in_progress, read_progress
    from pbgraph.results.registered import registrations

    said = [read_progress(results, key) for key in {*results.locks(), *in_progress(results)}]
    declared = [one.task for one in registrations(results)]
    return sorted({*results.tasks(), *declared, *(run.task for run in said if run is not None)})


def _standing(args: argparse.Namespace, name: str, results: ResultsFolder) -> Standing:
    """By the plan that is asked for; of a task that has registered plans, the usual one only if it has any run."""
    from pbgraph.cli.commands.running import plan_of
    from pbgraph.execution.standing import standing
    from pbgraph.structures.parallel import cores

    dataset, jobs = _dataset(name, results), args.jobs or cores()
    asked = (args.task, args.preset, args.study, args.split, args.models, args.methods, args.seeds, args.set)
    if not any(asked) and not args.controls:
        there = standing(name, None, results, jobs=jobs)
        if there.registered and all(run.preset != USUAL for run in there.runs):
            return there
    return standing(name, plan_of(args, dataset) if dataset is not None else None, results, jobs=jobs)


def _dataset(name: str, results: ResultsFolder) -> Dataset | None:
    """The data set of a task; None, with a warning, if it is known no more, while runs of it are there."""
    from pbgraph.results.described import dataset_of

    try:
        return dataset_of(name, results)
    except (UsageError, DataError) as error:
        if name not in _tasks_in(results):
            raise
        log.warning("no plan is made for task %s: %s", name, error)
        return None


def add_runs_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``runs`` takes."""
    parser.set_defaults(command=runs)
    parser.add_argument("task", metavar="TASK")
    add_choice_arguments(parser)
    add = parser.add_mutually_exclusive_group().add_argument
    add("--json", action="store_true", help="for programs")
    add("--csv", action="store_true", help="for programs and spreadsheets")


def runs(args: argparse.Namespace) -> int:
    """List the runs of a task, one by one."""
    from pbgraph.report.runs import to_csv, to_json, to_markdown

    records = _chosen(args)
    if not records and not (args.json or args.csv):
        return 0
    form = to_json if args.json else to_csv if args.csv else to_markdown
    show(form(records), end="")
    return 0


def _chosen(args: argparse.Namespace) -> list[RunRecord]:
    """The records that the arguments choose; where there is none, it is said what would make some."""
    results = ResultsFolder(args.results)
    known = args.task in results.tasks()
    if not known:
        dataset_of_task(args)
    records = results.records(args.task)
    choice = _choice(args, records)
    chosen = choice.of(records)
    if not chosen:
        makes = f"'{command_of(args)}' makes them" if not records else f"it holds {len(records)} others"
        say(f"{results.root} holds no such run of {args.task}; {makes}")
    return chosen


def _choice(args: argparse.Namespace, records: Sequence[RunRecord]) -> Choice:
    """Raises UsageError, with the nearest, for a name that is neither registered nor that of a run."""
    specs = [record.spec for record in records]
    check_known("models", args.models or (), {spec.model for spec in specs})
    check_known("methods", args.methods or (), {spec.method for spec in specs})
    check_known("splits", [args.split] if args.split else (), {spec.split for spec in specs})
    named = {spec.preset for spec in specs}
    if args.preset is not None and args.preset not in named and preset_or_none(args.preset) is None:
        raise unknown_name("preset", args.preset, {*presets(), *named})
    choice = choice_of(args)
    return choice.among(spec.arm for spec in specs) if specs else choice


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``show`` takes."""
    parser.set_defaults(command=show_run)
    parser.add_argument("key", metavar="KEY", help="beginning of a run's key")
    add_results_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs: all that the record says")


def show_run(args: argparse.Namespace) -> int:
    """Show one run: what it was asked, what came out, how it went."""
    from pbgraph.report.formats import json_text
    from pbgraph.report.one_run import to_text
    from pbgraph.results.record_file import said_by

    results = ResultsFolder(args.results)
    record = results.record(*find_run(results, args.key))
    if args.json:
        show(json_text(said_by(record)), end="")
        return 0
    show(to_text(record, *_insight(results, record)), end="")
    return 0


def _insight(results: ResultsFolder, record: RunRecord) -> tuple[Insight | None, str]:
    """What a run's dendrites learnt, or why that is not known; neither where there is nothing to know."""
    from pbgraph.results.insights import read_insight

    if not record.details.get("dendrites"):
        return None, ""
    try:
        return read_insight(results, record), ""
    except DataError as error:
        return None, str(error)


def add_rm_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``rm`` takes."""
    parser.set_defaults(command=rm)
    parser.add_argument("keys", nargs="+", metavar="KEY", help="beginnings of runs' keys")
    parser.add_argument("--with-dependents", action="store_true", help="and the controls and averages that need them")
    add_results_argument(parser)


def rm(args: argparse.Namespace) -> int:
    """Move runs to the trash of their results folder, with all that belongs to them; all of them or none."""
    from pbgraph.results.trash import check_dependents, dependents, move_to_trash

    results = ResultsFolder(args.results)
    named = [find_run(results, key) for key in args.keys]
    depending = dependents(results, named)
    if not args.with_dependents:
        check_dependents(depending)
    trash, moved = move_to_trash(results, [*named, *((control.task, control.key) for control in depending)])
    for control in depending:
        say(f"with it: {control.key} ({control.name}), {control.how} {control.needs}")
    show(f"{_runs_in(moved)} moved to {trash}:")
    show("\n".join(f"  {path}" for path in moved))
    show(f"to put back what is there: {_putting_back(results.root, trash)}")
    return 0


def _runs_in(moved: Iterable[Path]) -> str:
    return plural(len({path.name.split(".", 1)[0] for path in moved}), "run")


def _putting_back(root: Path, trash: Path) -> str:
    """A command that copies what is in the trash to where it was, and overwrites nothing."""
    return shlex.join(["cp", "-Rpn", f"{trash}/.", f"{root}/"])


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``export`` takes."""
    parser.set_defaults(command=export)
    parser.add_argument("task", metavar="TASK")
    add_choice_arguments(parser)
    parser.add_argument("--csv", type=file_to_write, metavar="FILE", help="a row for each run")
    parser.add_argument("--histories", type=file_to_write, metavar="FILE", help="a row for each epoch of each run")
    parser.add_argument("--mlflow", type=Path, metavar="DIR", help="a run of MLflow for each run, in DIR/mlflow.db")


def export(args: argparse.Namespace) -> int:
    """Write the runs of a task to files for other programs."""
    from pbgraph.files.writing import replaced_file
    from pbgraph.report.runs import as_csv, history_rows, run_rows

    if args.csv is None and args.histories is None and args.mlflow is None:
        raise UsageError("export: say where to, with --csv FILE, --histories FILE or --mlflow DIR")
    if None not in (args.csv, args.histories) and args.csv.resolve() == args.histories.resolve():
        raise UsageError(f"--csv and --histories name one file, {args.csv}; name two")
    if not (records := _chosen(args)):
        raise UsageError("export: nothing was written")
    if args.mlflow is not None:
        from pbgraph.report.tracking import export_to_mlflow

        new = export_to_mlflow(records, args.mlflow)
        say(f"{plural(new, 'run')} written to {args.mlflow}, {len(records) - new} were there")
    for path, rows in ((args.csv, run_rows), (args.histories, history_rows)):
        if path is not None:
            exported = rows(records)
            with replaced_file(path) as part:
                part.write_text(as_csv(exported), encoding="utf-8")
            say(f"{len(exported)} rows written to {path}")
    return 0
