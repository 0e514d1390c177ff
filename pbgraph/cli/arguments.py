"""The words of the command line, as far as they are of no one command: which command is meant.

What a command takes stands beside what it does, in the files of `pbgraph.cli.commands`; options of several commands are
in `pbgraph.cli.options`. A file is imported when a command of it is asked for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pkgutil import resolve_name

from pbgraph import __version__
from pbgraph.cli.commands.names import is_task, task_names
from pbgraph.cli.help_texts import COMMANDS, DESCRIPTIONS, EXAMPLES, examples_of
from pbgraph.cli.parser import CommandParser, Parser, with_dashed_values
from pbgraph.errors import UsageError, unknown_name

ARGUMENTS: Mapping[str, str] = {  # command -> the function in pbgraph.cli.commands that adds what it takes
    "run": "planning:add_run_arguments",
    "work": "sharing:add_work_arguments",
    "register": "planning:add_register_arguments",
    "ls": "listing:add_ls_arguments",
    "table": "showing:add_table_arguments",
    "leaderboard": "showing:add_leaderboard_arguments",
    "compare": "comparing:add_compare_arguments",
    "dendrites": "showing:add_dendrites_arguments",
    "status": "steering:add_status_arguments",
    "runs": "steering:add_runs_arguments",
    "show": "steering:add_show_arguments",
    "rm": "steering:add_rm_arguments",
    "export": "steering:add_export_arguments",
    "verify": "verifying:add_verify_arguments",
    "score": "external:add_score_arguments",
    "average": "external:add_average_arguments",
    "splits": "external:add_splits_arguments",
    "pack": "verifying:add_pack_arguments",
    "submit": "sharing:add_submit_arguments",
    "merge": "sharing:add_merge_arguments",
    "check": "listing:add_check_arguments",
    "data": "listing:add_data_arguments",
    "train": "own:add_train_arguments",
    "tune": "tuning:add_tune_arguments",
    "predict": "own:add_predict_arguments",
}
OF_TASK = "running:add_task_arguments"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command, with `command`, the function that takes them. Raises UsageError."""
    tasks = task_names(COMMANDS)
    if "_ARGCOMPLETE" in os.environ:  # of a shell, which wants nothing done
        from pbgraph.cli.completion import complete

        complete(_parser(tasks))
    known = [*tasks, *COMMANDS]
    if not argv:
        raise UsageError(f"say what to do: one of {', '.join(known)}, or --help")
    if not argv[0].startswith("-") and argv[0] not in known:
        if not is_task(argv[0]):
            from pbgraph.results.described import plan_hint

            raise UsageError(f"{unknown_name('task or command', argv[0], known)}{plan_hint(argv[0])}")
        tasks.append(argv[0])  # of a namespace, of which not all names are known
    args, others = _parser(tasks).parse_known_args(with_dashed_values(argv) if argv[0] == "train" else argv)
    if others:
        command = "" if argv[0].startswith("-") else f" {argv[0]}"
        raise UsageError(f"unrecognized arguments: {' '.join(others)}; see python -m pbgraph.bench{command} --help")
    return args


def _parser(tasks: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m pbgraph.bench",
        description="Do perforated dendrites make graph neural networks better?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pbgraph {__version__}")
    each = parser.add_subparsers(metavar="TASK | COMMAND", required=True, parser_class=CommandParser)
    of_tasks = dict.fromkeys(tasks, "run what is missing of a plan on this task, then show the table")
    for name, summary in {**of_tasks, **COMMANDS}.items():
        each.add_parser(
            name,
            help=summary,
            description=DESCRIPTIONS.get(name, f"{summary[:1].upper()}{summary[1:]}."),
            epilog=examples_of(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_arguments=partial(_add_arguments, name=name),
        )
    return parser


def _add_arguments(parser: argparse.ArgumentParser, *, name: str) -> None:
    if name not in COMMANDS:
        parser.set_defaults(task=name)
    resolve_name(f"pbgraph.cli.commands.{ARGUMENTS.get(name, OF_TASK)}")(parser)
