"""Commands that take a plan as a whole: run it, or register it before it is run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.cli.commands.names import dataset_of_task, is_task_in, task_names
from pbgraph.cli.commands.running import benchmark, plan_of
from pbgraph.cli.options import add_data_folder_arguments, add_execution_arguments, add_results_argument
from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import plural, ranges
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.presets import FILE, PLANS
from pbgraph.results.folder import ResultsFolder
from pbgraph.terminal import say

if TYPE_CHECKING:
    from pbgraph.plans.plan import Plan


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run`` takes."""
    _add_plan_arguments(parser, run)
    add_data_folder_arguments(parser)
    add_execution_arguments(parser)
    parser.add_argument("--save-models", action="store_true", help="keep the trained models, for 'predict'")


def run(args: argparse.Namespace) -> int:
    """Do what is missing of a plan file, or of a plan that is registered, then show its table."""
    args.declared = declared_plan(args.plan)
    args.task = task_of(args.declared, args)
    return benchmark(args)


def add_register_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``register`` takes."""
    _add_plan_arguments(parser, register)
    parser.set_defaults(engine="local", shard=None)


def register(args: argparse.Namespace) -> int:
    """Write down which runs a plan declares, and when."""
    from pbgraph.execution.provenance import source_tree
    from pbgraph.plans.registering import registration_of
    from pbgraph.results.registered import register

    args.declared = declared_plan(args.plan)
    args.task = task_of(args.declared, args)
    plan = plan_of(args, dataset_of_task(args))
    commit, dirty = source_tree()
    declared = registration_of(plan, commit=commit, dirty=dirty)
    path, registration = register(ResultsFolder(args.results), declared)
    say(f"{path}: {plural(len(registration.keys), 'run')}, declared {registration.when}")
    for refusal in plan.refused:
        say(f"warning: not declared: {refusal.arm}: {refusal.reason}")
    for searched in _searched_on(plan, args.results):
        say(f"warning: {searched}: results are of seeds that no choice was made by")
    if registration.begun:
        count = plural(len(registration.begun), "run")
        say(f"warning: {count} had been begun before that: a table with any of them will say exploratory")
    return 0


def _searched_on(plan: Plan, results: Path) -> list[str]:
    """Which searches in a results folder have chosen settings of a plan's rows by seeds that the plan runs."""
    from pbgraph.results.tuning import budgets

    rows = {(spec.model, spec.method) for spec in plan.specs}
    seeds = {spec.seed if spec.split_seed is None else spec.split_seed for spec in plan.specs}
    return [
        f"settings of {one.model}/{one.method} were searched on seeds {ranges(sorted(both))}, which this plan runs"
        for one in budgets(results)
        if (one.task, one.split) == (plan.task, plan.split)
        and (one.model, one.method) in rows
        and (both := seeds.intersection(one.seeds))
    ]


def declared_plan(named: str) -> Preset | Study:
    """A plan file, by its path, or a registered plan, by its name. Raises UsageError if it is neither."""
    if named.endswith(FILE) or os.path.isfile(named):
        return read_plan(Path(named))
    return PLANS.get(named)


def task_of(declared: Preset | Study, args: argparse.Namespace) -> str:
    """The task that a plan is for.

    Raises UsageError if it names none and ``--task`` does not, and where ``--task`` or ``--split`` is another than it
    names.
    """
    from pbgraph.results.described import user_table_names

    first = declared.presets[0] if isinstance(declared, Study) else declared
    name = first.task or args.task
    if not name:
        raise UsageError(f"plan {declared.name} names no task; give one with --task, e.g. --task tox21")
    if args.task not in (None, name):
        raise first.at("task", UsageError(f"it is for task {name}, not for {args.task}; leave --task out"))
    if first.split and args.split not in (None, first.split):
        raise first.at("split", UsageError(f"it is for split {first.split}, not for {args.split}; leave --split out"))
    if not is_task_in(name, args.results):
        unknown = unknown_name("task", name, [*task_names(), *user_table_names(ResultsFolder(args.results))])
        raise first.at("task", unknown) if first.task else unknown
    return str(name)


def _add_plan_arguments(parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int]) -> None:
    nothing = dict.fromkeys(("preset", "study", "models", "methods", "seeds"))
    parser.set_defaults(command=command, controls=False, set=[], **nothing)
    parser.add_argument("plan", metavar="PLAN", help="a plan file, or the name of a registered plan")
    parser.add_argument("--task", metavar="TASK", help="of a plan that names none")
    parser.add_argument("--split", metavar="NAME", help="of a plan that names none, instead of the task's usual one")
    add_results_argument(parser)
