"""What a shell offers when the user presses the tab key: commands and tasks, options, and the names that they take.

By argcomplete, which calls the program with the line so far in its environment; nothing heavy is imported for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import FilesCompleter, SuppressCompleter

from pbgraph.cli.values import OneOf
from pbgraph.plans.presets import FILE, presets, studies
from pbgraph.registry import Registry
from pbgraph.results.folder import ResultsFolder

Names = Callable[[argparse.Namespace], Iterable[str]]


def complete(parser: argparse.ArgumentParser) -> None:
    """Write down what the line can go on with, and end the process."""
    prepare(parser)
    argcomplete.autocomplete(parser, always_complete_options="long", default_completer=SuppressCompleter())


def prepare(parser: argparse.ArgumentParser) -> None:
    """Give every argument of a parser and of its commands what completes it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in dict.fromkeys(action.choices.values()):
                prepare(each.complete())
        elif (completer := _completer(action)) is not None:
            action.completer = completer  # type: ignore[attr-defined]


def _completer(action: argparse.Action) -> Callable[..., Iterable[str]] | None:
    """What completes an argument: names of its kind, the known ones of its type, files, or a plan's name or file."""
    if isinstance(action.type, OneOf):
        known = list(action.type.known)
        return lambda **_: known
    if action.dest in NAMES:
        names = NAMES[action.dest]
        return lambda parsed_args, **_: names(parsed_args)
    if (plans := PLAN_FILES.get(str(action.metavar))) is not None:
        files = FilesCompleter((FILE,))
        return lambda prefix, parsed_args, **_: [*plans(parsed_args), *files(prefix)]
    takes_files = action.metavar in ("FILE", "DIR", "TABLE", "INPUT", "OUTPUT", "MODEL_DIR", "RESULTS")
    return FilesCompleter() if takes_files else None


def _registered(kind: str, *more: str) -> Names:
    registry = Registry[Any](kind, f"pbgraph.{kind}", object)
    return lambda _: [*registry.names(), *more]


def _tasks(args: argparse.Namespace) -> list[str]:
    return [*Registry[Any]("task", "pbgraph.datasets", object).names(), *_folder(args).tasks()]


def _folder(args: argparse.Namespace) -> ResultsFolder:
    return ResultsFolder(Path(getattr(args, "results", None) or "results"))


KINDS = ("models", "methods", "datasets", "splits", "metrics", "featurisers", "plans")


def _of_kind(args: argparse.Namespace) -> list[str]:
    """What `check` takes, and of `ls KIND NAME` the names of the kind; presets are plans, tasks data sets."""
    asked = {"tasks": "datasets", "presets": "plans"}.get(kind := getattr(args, "kind", "") or "", kind)
    kinds = [asked] if asked else KINDS[:-1]
    return [name for kind in kinds for name in Registry[Any](kind, f"pbgraph.{kind}", object).names()]


def _plans(_: argparse.Namespace) -> list[str]:
    return [*presets(), *studies()]


PLAN_FILES: Mapping[str, Names] = {"PLAN": _plans, "PLAN|TASK": lambda args: [*_plans(args), *_tasks(args)]}

NAMES: Mapping[str, Names] = {
    "task": _tasks,
    "models": _registered("models", "all"),
    "methods": _registered("methods", "all"),
    "split": _registered("splits"),
    "preset": lambda _: presets(),
    "study": lambda _: studies(),
    "name": _of_kind,
    "key": lambda args: [key for _, key in _folder(args).runs()],
    "keys": lambda args: [key for _, key in _folder(args).runs()],
}
