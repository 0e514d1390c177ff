"""What people are shown: log and errors on stderr, results on stdout, whatever is in the names that they hold.

Names of columns, molecules and files come from outside. What would not be seen as itself, as the escape sequences by
which a terminal is told to do things, is shown as the text that Python has for it.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the start of a formula, or strips first
KEPT = frozenset("\n\t")


def visible(text: str, kept: frozenset[str] = KEPT) -> str:
    r"""A text whose every character can be seen.

    kept  characters of white space that stay as they are, beside blanks of any kind

    >>> print(visible("red: \x1b[31m"))
    red: \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(
        one
        if one.isprintable() or one in kept or (one.isspace() and one >= "\xa0" and one not in "\u2028\u2029")
        else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def visible_cell(text: str) -> str:
    r"""The same for a cell of a table, which has one line.

    >>> print(visible_cell("a\nb"))
    a\nb
    """
    return visible(text, frozenset())


def no_formula(value: object) -> object:
    """A cell of CSV that no spreadsheet takes for a formula: text that would be one after an apostrophe.

    >>> no_formula("=1+1"), no_formula(-1.5)
    ("'=1+1", -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def show(text: str, end: str = "\n") -> None:
    """Write a result to stdout."""
    print(visible(text), end=end)


def say(text: str) -> None:
    """Write a line to stderr; of a disk that is full, there is nowhere to complain."""
    with suppress(OSError):
        print(visible(text), file=sys.stderr)


def write_whatever_the_encoding() -> None:
    r"""From now on a character that the encoding of stdout or stderr lacks is written like \xb1, and is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
