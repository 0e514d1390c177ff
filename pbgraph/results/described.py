"""From the name of a task to its data set: a registered one, or a table of the user's described in a results folder."""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from pbgraph.datasets.base import DATASETS, Dataset
from pbgraph.datasets.user.table import UserTable, to_dataset
from pbgraph.errors import DataError, UsageError, unknown_name
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.files.writing import replaced_file
from pbgraph.results.folder import ResultsFolder

LARGEST = 16 * MEBIBYTE  # of a description
USER_TABLE = re.compile(r"-[0-9a-f]{8}$")  # what the name of a table of the user's ends in
log = logging.getLogger(__name__)


def dataset_of(name: str, results: ResultsFolder) -> Dataset:
    """The data set called `name`.

    Raises UsageError, with the nearest name, if it is neither registered nor described in `results`; DataError if its
    description is damaged.
    """
    if name in DATASETS:
        return DATASETS.get(name)
    if not is_described(name, results):
        unknown = unknown_name("task", name, [*DATASETS, *user_table_names(results)])
        where = f"; {results.task_path(name)} would describe it: see --results" if USER_TABLE.search(name) else ""
        raise UsageError(f"{unknown}{where}{plan_hint(name)}")
    return to_dataset(user_table(name, results))


def plan_hint(name: str) -> str:
    """What to do with a plan file that stands where a task is expected; "" for any other name."""
    if not name.endswith(".toml"):
        return ""
    return f"; {name} is a plan file: 'run {name}' runs it, and other commands take it after a task, --preset {name}"


def is_described(name: str, results: ResultsFolder) -> bool:
    """Whether `results` describes a table of the user's under this name."""
    return "/" not in name and os.path.lexists(results.task_path(name))


def command_of(name: str, results: ResultsFolder) -> str:
    """The command that runs a task from the current directory, without its options."""
    return _command_of_registered(name) if name in DATASETS else user_table(name, results).command


def written_command_of(name: str, results: ResultsFolder) -> str:
    """The command as it is written into pages, which say the same wherever they are made and read.

    It is given where the table of a user's lies, which it calls by its file's name alone. A task that is neither
    registered nor described here is called as where it is registered.
    """
    try:
        table = None if name in DATASETS else user_table(name, results)
    except DataError:
        table = None
    return replace(table, path=table.file).command if table else _command_of_registered(name)


def _command_of_registered(name: str) -> str:
    return shlex.join(("python", "-m", "pbgraph.bench", name))


def user_table_names(results: ResultsFolder) -> list[str]:
    """Names of the tasks described in `results`, sorted."""
    return sorted(path.stem for path in results.task_path("any").parent.glob("[!.]*.json"))


def user_tables(results: ResultsFolder) -> Iterator[UserTable]:
    """The tasks described in `results` by name; a description that cannot be used costs a warning and nothing else."""
    for name in user_table_names(results):
        try:
            table = user_table(name, results)
        except DataError as error:
            log.warning("left out: %s", error)
        else:
            yield table


def user_table(name: str, results: ResultsFolder) -> UserTable:
    """Read a description. Raises DataError if it is none, or was edited or renamed."""
    path = results.task_path(name)
    remedy = "run 'train' again to have it described, or move it away"
    try:
        table = decoded(read_bytes(path, LARGEST), UserTable)
        if not table.targets:
            raise UnreadableError("it has no targets")
    except (UnreadableError, RecursionError) as error:
        raise DataError(f"{path} does not describe a task: {error}; {remedy}") from error
    if table.name != name:
        raise DataError(f"{path} was edited or renamed; {remedy}")
    return replace(table, path=os.path.normpath(path.parent / table.path))


def keep(table: UserTable, results: ResultsFolder) -> None:
    """Describe a task in `results`, from where worker processes and later commands read it.

    The path of the table is kept relative to the description, so that a folder with both can be moved.
    """
    path = results.task_path(table.name)
    with replaced_file(path) as part:
        relative = os.path.relpath(os.path.abspath(table.path), os.path.abspath(path.parent))
        part.write_bytes(msgspec.json.format(msgspec.json.encode(replace(table, path=relative)), indent=1) + b"\n")


def earlier_versions(table: UserTable, results: ResultsFolder) -> list[str]:
    """Names of described tasks that read the same columns of the same file when its content was another."""
    here = os.path.abspath(table.path)
    return [
        other.name
        for other in user_tables(results)
        if os.path.abspath(other.path) == here and other.columns == table.columns and other.sha256 != table.sha256
    ]
