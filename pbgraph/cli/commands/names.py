"""Names that arguments hold, checked without importing what they stand for."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbgraph.errors import unknown_name
from pbgraph.registry import Registry

if TYPE_CHECKING:
    from pbgraph.datasets.base import Dataset
    from pbgraph.report.selection import TaskRuns
    from pbgraph.results.lookup import Choice

log = logging.getLogger(__name__)


def task_names(taken: Collection[str] = ()) -> list[str]:
    """Names of the registered tasks; imports none of them. Raises PbgraphError if pbgraph is not installed.

    taken  names of commands: a task that is called like one is left out, which costs a warning
    """
    tasks = Registry[Any]("task", "pbgraph.datasets", object)
    if not tasks.names():
        tasks.get("")
    for name in sorted(set(tasks.names()) & set(taken)):
        packages = " and ".join(tasks.packages(name))
        log.warning("left out: task %r of package %s has the name of a command; it must have another", name, packages)
    return [name for name in tasks.names() if name not in taken]


def is_task(name: str) -> bool:
    """Whether a task is registered under this name, or a namespace that the name belongs to; imports nothing."""
    return name in Registry[Any]("task", "pbgraph.datasets", object)


def is_task_in(name: str, results: Path) -> bool:
    """Whether a task is registered under this name, or described in a results folder, as 'train' does."""
    from pbgraph.results.described import is_described
    from pbgraph.results.folder import ResultsFolder

    return is_task(name) or is_described(name, ResultsFolder(results))


def check_known(kind: str, names: Iterable[str], others: Collection[str] = ()) -> None:
    """Raises UsageError with the nearest valid name for one that is not registered; imports no model.

    kind    "models", "methods", "splits", ...
    others  names that will do as well, such as those that records have
    """
    known = Registry[Any](kind, f"pbgraph.{kind}", object)
    for name in names:
        if name not in known and name not in others:
            raise unknown_name(kind.removesuffix("s"), name, {*known, *others})


def dataset_of_task(args: argparse.Namespace) -> Dataset:
    """The data set of the task that the arguments name: a registered one, or one described in the results folder."""
    from pbgraph.results.described import dataset_of
    from pbgraph.results.folder import ResultsFolder

    return dataset_of(args.task, ResultsFolder(args.results))


def command_of(args: argparse.Namespace) -> str:
    """The command that runs the task that the arguments name, without its options."""
    from pbgraph.results import described
    from pbgraph.results.folder import ResultsFolder

    return described.command_of(args.task, ResultsFolder(args.results))


def choice_of(args: argparse.Namespace) -> Choice:
    """Which runs the arguments choose."""
    from pbgraph.results.arms import parse_arm
    from pbgraph.results.lookup import Choice

    arms = getattr(args, "arms", None)
    return Choice(
        models=getattr(args, "models", None),
        methods=getattr(args, "methods", None),
        arms=None if arms is None else [parse_arm(text) for text in arms],
        seeds=flat(args.seeds),
        preset=args.preset,
        split=args.split,
    )


def flat(seeds: Sequence[Sequence[int]] | None) -> list[int] | None:
    """What ``--seeds`` gives, word by word, as one list."""
    return None if seeds is None else [seed for part in seeds for seed in part]


def runs_of(args: argparse.Namespace) -> TaskRuns:
    """The runs of the task that the arguments name. Raises UsageError, with the nearest, for an unknown name."""
    from pbgraph.report.selection import TaskRuns
    from pbgraph.results.folder import ResultsFolder

    runs = TaskRuns.read(ResultsFolder(args.results), args.task)
    specs = [record.spec for record in runs.records]
    check_known("models", getattr(args, "models", None) or (), {spec.model for spec in specs})
    check_known("methods", getattr(args, "methods", None) or (), {spec.method for spec in specs})
    check_known("splits", [args.split] if args.split else (), {spec.split for spec in specs})
    return runs
