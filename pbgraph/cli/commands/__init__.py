"""What each command of `pbgraph.bench` does with its arguments; heavy imports are made where they are needed."""

from pbgraph.cli.commands.listing import DATA_ACTIONS, KINDS, check, data, ls
from pbgraph.cli.commands.names import is_task, task_names
from pbgraph.cli.commands.own import predict, train
from pbgraph.cli.commands.planning import register, run
from pbgraph.cli.commands.running import benchmark
from pbgraph.cli.commands.sharing import merge, submit, work
from pbgraph.cli.commands.showing import DENDRITE_FORMATS, compare, dendrites, leaderboard, table
from pbgraph.cli.commands.steering import export, rm, runs, show_run, status
from pbgraph.cli.commands.tuning import tune
from pbgraph.cli.commands.verifying import verify
from pbgraph.report.shown import FORMATS

__all__ = [
    "DATA_ACTIONS",
    "DENDRITE_FORMATS",
    "FORMATS",
    "KINDS",
    "benchmark",
    "check",
    "compare",
    "data",
    "dendrites",
    "export",
    "is_task",
    "leaderboard",
    "ls",
    "merge",
    "predict",
    "register",
    "rm",
    "run",
    "runs",
    "show_run",
    "status",
    "submit",
    "table",
    "task_names",
    "train",
    "tune",
    "verify",
    "work",
]
