"""What can go wrong through no fault of the program, each kind with its exit code.

Every message names the value, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MOST_NAMED = 2_000  # characters of the names that a message lists


class PbgraphError(Exception):
    """Base of all errors that are reported to the user without a traceback."""

    exit_code = 1


class UsageError(PbgraphError):
    """A wrong argument, name or combination."""

    exit_code = 2


class DataError(PbgraphError):
    """Data that cannot be had, or that are not what they should be."""

    exit_code = 3


class Interrupted(PbgraphError):
    """Asked to stop: the state is saved and the same command goes on from there."""

    exit_code = 130


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a misspelt name: it shows the nearest valid one, and all of them up to MOST_NAMED characters.

    >>> str(unknown_name("model", "trimnt", ["gin", "trimnet"]))
    "unknown model 'trimnt'; did you mean 'trimnet'? (known: gin, trimnet)"
    """
    names = sorted(known)
    by_lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    hint = f"; did you mean {by_lower[near[0]]!r}?" if near else ""
    return UsageError(f"unknown {kind} {name!r}{hint} (known: {_named(names) or 'none'})")


def _named(names: Sequence[str]) -> str:
    """Names in a row; of those of a table, which may be many or long, a beginning."""
    text = ", ".join(names)
    return text if len(text) <= MOST_NAMED else f"{text[:MOST_NAMED]}..., {len(names)} in all"


def check_several(**given: object) -> None:
    """Raises UsageError for a single value where several are asked for: of a text, its letters would be taken for them.

    >>> check_several(models=["gin"], seeds=range(68, 71), methods=None)
    >>> check_several(models="gin")
    Traceback (most recent call last):
    pbgraph.errors.UsageError: models='gin': expected several, or a list of one: ['gin']
    """
    for name, value in given.items():
        if isinstance(value, str) or not (value is None or isinstance(value, Iterable)):
            raise UsageError(f"{name}={value!r:.100}: expected several, or a list of one: [{value!r:.100}]")


def of_the_system(error: OSError) -> str:
    """What the system refused, by the name of the file that was meant to be there in the end, and what to do.

    >>> of_the_system(FileNotFoundError(2, "No such file or directory", ".a.part", None, "a"))
    'a: No such file or directory; put that right, and give the same command again'
    """
    name = error.filename if error.filename2 is None else error.filename2
    where = "" if name is None else f"{name}: "
    return f"{where}{error.strerror or error}; put that right, and give the same command again"


def lines_of(error: BaseException) -> list[str]:
    """What an error of somebody else's code says, at least one line.

    >>> lines_of(ValueError("no\\nway")), lines_of(TimeoutError())
    (['no', 'way'], ['TimeoutError'])
    """
    return (str(error).strip() or type(error).__name__).splitlines()


def not_installed(package: str, extra: str) -> str:
    """Why something cannot be used that needs a package beyond the usual ones, and how to get it.

    >>> not_installed("xgboost", "boost")
    "it needs the package xgboost, which is not installed: run pip install -e '.[boost]'"
    """
    return f"it needs the package {package}, which is not installed: run pip install -e '.[{extra}]'"
