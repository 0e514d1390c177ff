"""Commands that take a plan as a whole: run it, or register it before it is run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pbgraph.cli.commands.names import is_task, task_names
from pbgraph.cli.commands.running import benchmark, plan_of
from pbgraph.errors import UsageError, unknown_name
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.plan_file import read_plan
from pbgraph.plans.presets import FILE, PLANS
from pbgraph.results.folder import ResultsFolder
from pbgraph.terminal import say


def run(args: argparse.Namespace) -> int:
    """Do what is missing of a plan file, or of a plan that is registered, then show its table."""
    args.declared = declared_plan(args.plan)
    args.task = task_of(args.declared, args)
    return benchmark(args)


def register(args: argparse.Namespace) -> int:
    """Write down which runs a plan declares, and when."""
    from pbgraph.datasets.base import DATASETS
    from pbgraph.execution.provenance import source_tree
    from pbgraph.plans.plan_text import plan_text
    from pbgraph.plans.registering import registration_of
    from pbgraph.results.registered import register

    args.declared = declared_plan(args.plan)
    args.task = task_of(args.declared, args)
    plan = plan_of(args, DATASETS.get(args.task))
    path, registration = register(ResultsFolder(args.results), registration_of(plan, plan_text(plan), *source_tree()))
    say(f"{path}: {len(registration.keys)} runs, declared {registration.created}")
    return 0


def declared_plan(named: str) -> Preset | Study:
    """A plan file, by its path, or a registered plan, by its name. Raises UsageError if it is neither."""
    if named.endswith(FILE) or os.path.exists(named):
        return read_plan(Path(named))
    return PLANS.get(named)


def task_of(declared: Preset | Study, args: argparse.Namespace) -> str:
    """The task that a plan is for. Raises UsageError if it names none and ``--task`` does not."""
    presets = declared.presets if isinstance(declared, Study) else (declared,)
    name = presets[0].task or args.task
    if not name:
        raise UsageError(f"plan {declared.name} names no task; give one with --task, e.g. --task tox21")
    if args.task not in (None, name):
        raise UsageError(f"plan {declared.name} is for task {name}, not for {args.task}; leave --task out")
    if not is_task(name):
        raise unknown_name("task", name, task_names())
    return str(name)
