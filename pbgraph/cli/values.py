"""How one word of the command line is read: seeds, numbers, names, files. What is no such word is a UsageError."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from pbgraph.errors import UsageError, unknown_name
from pbgraph.files.writing import check_replaceable
from pbgraph.humanize import parse_seeds, span, whole

MOST_TRIALS = 10_000
MOST_COUNTED = 1_000_000
DEVICES = ("auto", "cpu", "cuda")
ENGINES = {
    "local": "worker processes on this machine",
    "ray": "the nodes of a Ray cluster, --address (pip install -e '.[ray]')",
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


def seconds(option: str) -> Callable[[str], float]:
    """A reader of times, as in "3h50m" or "3:50:00"."""

    def read(text: str) -> float:
        if not (found := span(text)):
            raise UsageError(f"{option} {text:.200}: expected a time above 0, such as 3h50m, 90s or 3:50:00")
        return float(found)

    return read


def count(option: str, what: str) -> Callable[[str], int]:
    """A reader of numbers from 1 to MOST_COUNTED."""

    def read(text: str) -> int:
        if not (number := whole(text)) or number > MOST_COUNTED:
            raise UsageError(f"{option} {text:.200}: expected a number of {what}, from 1 to {MOST_COUNTED}")
        return number

    return read


def share(text: str) -> float:
    """The word of ``--gpu-share``: a part of a GPU, or some of them."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise UsageError(f"--gpu-share {text:.200}: expected the share of a GPU that a run takes, above 0 and up to 1")
    return found


def partition(text: str) -> str:
    """The name of a partition of a cluster, or several with commas."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,+-]{0,199}", text):
        raise UsageError(f"--partition {text!r:.200}: expected the name of one, as 'sinfo' lists them")
    return text


def file_to_write(text: str) -> Path:
    """The name of a file that can be written: what could not be is said before there is anything to write."""
    if os.path.isdir(text or "."):
        raise UsageError(f"{text or '.'} is a folder; name the file to be written")
    try:
        check_replaceable(Path(text))
    except OSError as error:
        raise UsageError(f"{text:.500} cannot be written ({error.strerror}); name another file") from error
    return Path(text)


def picture_to_write(text: str) -> Path:
    """The name of a picture that can be drawn and written: said before there is anything to draw."""
    from pbgraph.report.styles import check_picture

    path = file_to_write(text)
    check_picture(path)
    return path


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
