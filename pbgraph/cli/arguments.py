"""The words of the command line: what each command takes. Options of several commands are in `pbgraph.cli.options`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pbgraph import __version__
from pbgraph.cli import commands
from pbgraph.cli.help_texts import COMMANDS, DESCRIPTIONS, EXAMPLES, OUTPUTS, examples_of
from pbgraph.cli.options import (
    add_arm_arguments,
    add_arms_argument,
    add_choice_arguments,
    add_data_folder_arguments,
    add_device_argument,
    add_execution_arguments,
    add_jobs_argument,
    add_plan_arguments,
    add_planned_arguments,
    add_preset_argument,
    add_preset_or_study_arguments,
    add_results_argument,
    add_selection_arguments,
    add_set_argument,
    add_split_arguments,
    add_work_arguments,
)
from pbgraph.cli.parser import Parser, with_dashed_values
from pbgraph.cli.values import DEVICES, OneOf, count, file_to_write, partition, reruns, seconds, seed, trials
from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import parse_seeds
from pbgraph.results.leases import EVERY


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command, with `command`, the function that takes them. Raises UsageError."""
    tasks = commands.task_names(COMMANDS)
    if "_ARGCOMPLETE" in os.environ:  # of a shell, which wants nothing done
        from pbgraph.cli.completion import complete

        complete(_parser(tasks))
    known = [*tasks, *COMMANDS]
    if not argv:
        raise UsageError(f"say what to do: one of {', '.join(known)}, or --help")
    if not argv[0].startswith("-") and argv[0] not in known:
        if not commands.is_task(argv[0]):
            raise unknown_name("task or command", argv[0], known)
        tasks.append(argv[0])  # of a namespace, of which not all names are known
    return _parser(tasks).parse_args(with_dashed_values(argv) if argv[0] == "train" else argv)


def _parser(tasks: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m pbgraph.bench",
        description="Do perforated dendrites make graph neural networks better?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pbgraph {__version__}")
    each = parser.add_subparsers(metavar="TASK | COMMAND", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return each.add_parser(
            name,
            help=summary,
            description=DESCRIPTIONS.get(name, f"{summary[:1].upper()}{summary[1:]}."),
            epilog=examples_of(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    for dataset in tasks:
        _add_run_arguments(command(dataset, "run what is missing of a plan on this task, then show the table"), dataset)
    for name, summary in COMMANDS.items():
        ADDERS[name](command(name, summary))
    return parser


def _add_run_arguments(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.set_defaults(command=commands.benchmark, task=dataset)
    add_data_folder_arguments(parser)
    add_plan_arguments(parser)
    parser.add_argument("--save-models", action="store_true", help="keep the trained models, for 'predict'")


def _add_plan_file_arguments(parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int]) -> None:
    nothing = dict.fromkeys(("preset", "study", "models", "methods", "seeds", "split"))
    parser.set_defaults(command=command, controls=False, set=[], **nothing)
    parser.add_argument("plan", metavar="PLAN", help="a plan file, or the name of a registered plan")
    parser.add_argument("--task", metavar="TASK", help="of a plan that names none")
    add_results_argument(parser)
    if command is commands.register:
        parser.set_defaults(engine="local", shard=None)
        return
    add_data_folder_arguments(parser)
    add_execution_arguments(parser)
    parser.add_argument("--save-models", action="store_true", help="keep the trained models, for 'predict'")


def _add_planned_command_arguments(parser: argparse.ArgumentParser) -> None:
    """A plan or a task, and which of its runs."""
    parser.set_defaults(engine="local", shard=None)
    add = parser.add_argument
    add("plan", metavar="PLAN|TASK", help="a plan file, or the name of a registered plan or of a task")
    add("--task", metavar="TASK", help="of a plan that names none")
    add_planned_arguments(parser)
    add("--retry-failed", action="store_true", help="try runs again that failed earlier")


def _add_work_command_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.work)
    _add_planned_command_arguments(parser)
    add_work_arguments(parser)
    add_data_folder_arguments(parser)
    add = parser.add_argument
    add("--save-models", action="store_true", help="keep the trained models, for 'predict'")
    add("--runs", type=Path, metavar="FILE", help="only the runs whose keys are the lines of this file")
    add("--until", type=seconds("--until"), metavar="TIME", help="stop after so long, e.g. 3h50m (default: when done)")
    add("--no-wait", dest="stays", action="store_false", help="leave when all that is left is being done by others")
    add(
        "--heartbeat",
        type=seconds("--heartbeat"),
        default=EVERY,
        metavar="TIME",
        help="say so often that a run is going on; after six times that in silence it is taken over (default: 20s)",
    )


def _add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.submit)
    _add_planned_command_arguments(parser)
    add = parser.add_argument
    add("--slurm", action="store_true", help="as SLURM job arrays")
    add("--time", type=seconds("--time"), default=4 * 3600.0, metavar="TIME", help="of each task (default: 4:00:00)")
    limit = "tasks that an array may have (default: 1000, which every SLURM takes)"
    add("--array-limit", type=count("--array-limit", "tasks"), default=1000, metavar="N", help=limit)
    cpus = "of each task, which does so many runs at a time (default: 1)"
    add("--cpus", type=count("--cpus", "processor cores"), default=1, metavar="N", help=cpus)
    add("--partition", type=partition, metavar="NAME", help="of the cluster (default: its usual one)")
    add("--print", action="store_true", help="write the job and print the sbatch line, but do not call it")
    add("--device", type=OneOf("device", DEVICES), default="auto", help="auto (default), cpu or cuda, with a GPU each")
    add("--save-models", action="store_true", help="keep the trained models, for 'predict'")
    add_data_folder_arguments(parser)


def _add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.merge)
    parser.add_argument("sources", nargs="+", type=Path, metavar="DIR_OR_ZIP", help="results of other machines")
    add_results_argument(parser)


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.train, data=None, offline=True, save_models=True)
    add = parser.add_argument
    add("file", type=Path, metavar="TABLE")
    add("--smiles", required=True, metavar="COL", help="column of the structures")
    add("--targets", required=True, nargs="+", action="extend", metavar="COL", help="columns of the labels")
    add("--kind", metavar="KIND", help="classification or regression, instead of what the labels look like")
    add(
        "--missing",
        nargs="+",
        action="extend",
        default=[],
        metavar="WORD",
        help="labels that mean not measured as well, e.g. -1 or ND",
    )
    add(
        "--graph-columns",
        nargs="+",
        action="extend",
        default=[],
        metavar="COL",
        help="columns of numbers that models read beside the structures, e.g. pH dose",
    )
    add("--id", metavar="COL", help="column of unique names of the molecules (default: their lines)")
    add("--split-column", metavar="COL", help="column that says train, valid or test; for --split predefined")
    add("--time-column", metavar="COL", help="column of dates; for --split time")
    add_plan_arguments(parser)
    add("--no-save-models", dest="save_models", action="store_false", help="do not keep the trained models")


def _add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.predict)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="RESULTS/models/TASK/KEY; or RESULTS/models/TASK for the mean")
    add("input", type=Path, metavar="INPUT", help=".csv, .smi (both also .gz), .parquet, or - for stdin")
    add("output", type=Path, metavar="OUTPUT", nargs="?", default=Path("-"), help=OUTPUTS)
    add("--smiles", metavar="COL", help="column of the structures (default: the name it had in training)")
    add("--id", metavar="COL", help="column of names to be copied to the output")
    add("--arm", metavar="MODEL/METHOD", help="which models of the folder, where it holds several arms")
    add("--preset", metavar="NAME", help="which of them, where they were made with several presets")
    add("--split", metavar="NAME", help="which of them, where they were made on several splits")
    add("--embeddings", action="store_true", help="instead, the vector of each molecule that the network's head reads")
    add("--input-format", metavar="FORM", help="csv, smi or parquet (default: by the file's name; stdin: csv)")
    add(
        "--for-spreadsheets",
        action="store_true",
        help="put an apostrophe before names and structures that a spreadsheet would run as formulas",
    )


def _add_ls_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.ls)
    parser.add_argument(
        "kind", nargs="?", type=OneOf("kind", commands.KINDS), help=f"one of {', '.join(commands.KINDS)}"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="one of that kind, with its settings and all it says")
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_table_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.table)
    parser.add_argument("task", metavar="TASK")
    add_preset_or_study_arguments(parser)
    add_selection_arguments(parser)
    add_arm_arguments(parser)
    add_arms_argument(parser)
    formats = ", ".join(commands.FORMATS)
    parser.add_argument(
        "--format", type=OneOf("format", commands.FORMATS), default="md", help=f"{formats} (default: md)"
    )
    parser.add_argument(
        "--by-similarity",
        action="store_true",
        help="instead, scores of test rows by their similarity to training, from data and predictions: md, tex, csv",
    )
    add_data_folder_arguments(parser)
    parser.add_argument(
        "--figure",
        type=file_to_write,
        metavar="FILE",
        help="also draw learning curves (of a study: the frontier): .png, .svg or .pdf",
    )


def _add_leaderboard_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.leaderboard)
    add_results_argument(parser)
    parser.add_argument(
        "-o", "--output", type=file_to_write, metavar="FILE", help="write it there (default: to stdout)"
    )


def _add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.compare)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("a", metavar="A", help="MODEL/METHOD")
    parser.add_argument("b", metavar="B", help="MODEL/METHOD")
    add_preset_argument(parser.add_argument)
    add_selection_arguments(parser)


def _add_dendrites_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.dendrites)
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("arm", metavar="ARM", help="MODEL/METHOD")
    parser.add_argument("--seed", type=seed, metavar="N", help="of the run (default: the first that is finished)")
    add_preset_argument(parser.add_argument)
    add_split_arguments(parser)
    formats = ", ".join(commands.DENDRITE_FORMATS)
    parser.add_argument(
        "--format", type=OneOf("format", commands.DENDRITE_FORMATS), default="md", help=f"{formats} (default: md)"
    )
    parser.add_argument(
        "--figure", type=file_to_write, metavar="FILE", help="also draw shares and correlations: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--headroom",
        action="store_true",
        help="what dendrites could learn at each site that generalises, whether or not the run has any; needs the data",
    )
    add_device_argument(parser)
    add_data_folder_arguments(parser)


def _add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.tune)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("task", metavar="TASK")
    add("--models", nargs="+", required=True, metavar="NAME", help="whose settings to search; see 'ls models'")
    add("--methods", nargs="+", metavar="NAME", help="how they are trained (default: backprop, or fit)")
    add("--trials", type=trials, default=20, metavar="N", help="settings to be tried for each, in all (default: 20)")
    add("--seeds", nargs="+", type=parse_seeds, default=[[0, 1, 2]], metavar="N", help="below 68 (default: 0-2)")
    add_preset_argument(add)
    add_split_arguments(parser)
    add_set_argument(parser, "fix settings in all trials, e.g. training.epochs=20")
    add_work_arguments(parser)
    add("--write-plan", type=file_to_write, metavar="FILE", help="write the best settings there as a plan, in TOML")
    add_data_folder_arguments(parser)


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.verify)
    add = parser.add_argument
    add(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS", help="the folder (default: results)"
    )
    add("--rerun", type=reruns, default=0, metavar="K", help="do K runs again, drawn at random")
    add("--seed", type=seed, metavar="N", help="draw those of an earlier --rerun (default: others each time)")
    to_write = "write the receipt there, outside of RESULTS (default: to stdout)"
    add("--receipt", type=Path, metavar="FILE", help=to_write)
    add_data_folder_arguments(parser)


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.check)
    parser.add_argument("name", metavar="NAME", help="as registered, or KIND:NAME, e.g. split:random; see 'ls'")
    parser.add_argument("--data", type=Path, metavar="DIR", help="look for data here first")


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.data)
    parser.add_argument("action", type=OneOf("action", commands.DATA_ACTIONS), help=", ".join(commands.DATA_ACTIONS))
    parser.add_argument("task", nargs="?", metavar="TASK", help="all of them, if left out of 'data ls'")
    add_results_argument(parser)
    add_data_folder_arguments(parser)


def _add_status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.status, engine="local", shard=None)
    parser.add_argument("task", nargs="?", metavar="TASK", help="one task (default: all in the results folder)")
    add_planned_arguments(parser)
    add_jobs_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs: every run with its state")


def _add_runs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.runs)
    parser.add_argument("task", metavar="TASK")
    add_choice_arguments(parser)
    add = parser.add_mutually_exclusive_group().add_argument
    add("--json", action="store_true", help="for programs")
    add("--csv", action="store_true", help="for programs and spreadsheets")


def _add_show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.show_run)
    parser.add_argument("key", metavar="KEY", help="beginning of a run's key")
    add_results_argument(parser)
    parser.add_argument("--json", action="store_true", help="for programs: all that the record says")


def _add_rm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.rm)
    parser.add_argument("keys", nargs="+", metavar="KEY", help="beginnings of runs' keys")
    parser.add_argument("--with-dependents", action="store_true", help="and the controls that are paired with them")
    add_results_argument(parser)


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.export)
    parser.add_argument("task", metavar="TASK")
    add_choice_arguments(parser)
    parser.add_argument("--csv", type=file_to_write, metavar="FILE", help="a row for each run")
    parser.add_argument("--histories", type=file_to_write, metavar="FILE", help="a row for each epoch of each run")
    parser.add_argument("--mlflow", type=Path, metavar="DIR", help="a run of MLflow for each run, in DIR/mlflow.db")


ADDERS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": partial(_add_plan_file_arguments, command=commands.run),
    "work": _add_work_command_arguments,
    "register": partial(_add_plan_file_arguments, command=commands.register),
    "ls": _add_ls_arguments,
    "table": _add_table_arguments,
    "leaderboard": _add_leaderboard_arguments,
    "compare": _add_compare_arguments,
    "dendrites": _add_dendrites_arguments,
    "status": _add_status_arguments,
    "runs": _add_runs_arguments,
    "show": _add_show_arguments,
    "rm": _add_rm_arguments,
    "export": _add_export_arguments,
    "tune": _add_tune_arguments,
    "verify": _add_verify_arguments,
    "submit": _add_submit_arguments,
    "merge": _add_merge_arguments,
    "check": _add_check_arguments,
    "data": _add_data_arguments,
    "predict": _add_predict_arguments,
    "train": _add_train_arguments,
}
