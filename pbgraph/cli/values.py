"""How one word of the command line is read: seeds, numbers, names, files. What is no such word is a UsageError."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pbgraph.errors import UsageError, unknown_name
from pbgraph.humanize import parse_seeds, whole

MOST_TRIALS = 10_000
ENGINES = {
    "local": "worker processes on this machine",
    "shard": "one part of the plan, --shard I/N or a task of a SLURM job array, by worker processes on this machine",
}


def seed(text: str) -> int:
    """The word of ``--seed``: one number."""
    if len(seeds := parse_seeds(text)) != 1:
        raise UsageError(f"--seed {text}: expected one number")
    return seeds[0]


def jobs(text: str) -> int:
    """The word of ``--jobs``: a number of worker processes."""
    if not (number := whole(text)):
        raise UsageError(f"--jobs {text:.200}: expected the number of worker processes, at least 1")
    return number


def trials(text: str) -> int:
    """The word of ``--trials``: a number of settings to be tried."""
    if not (number := whole(text)) or number > MOST_TRIALS:
        raise UsageError(f"--trials {text:.200}: expected how many settings are to be tried, from 1 to {MOST_TRIALS}")
    return number


def reruns(text: str) -> int:
    """The word of ``--rerun``: a number of runs."""
    if (number := whole(text)) is None:
        raise UsageError(f"--rerun {text:.200}: expected how many runs are to be done again")
    return number


def file_to_write(text: str) -> Path:
    """The name of a file, which is no folder."""
    if os.path.isdir(text or "."):
        raise UsageError(f"{text or '.'} is a folder; name the file to be written")
    return Path(text)


@dataclass(frozen=True, eq=False)
class OneOf:
    """A reader of names that takes those that are known, and says which is nearest to any other."""

    kind: str
    known: Collection[str]

    def __call__(self, name: str) -> str:
        """The name; raises UsageError if it is not known."""
        if name not in self.known:
            raise unknown_name(self.kind, name, self.known)
        return name
