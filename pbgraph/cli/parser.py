"""argparse as pbgraph needs it: errors of one line, and values that look like options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pbgraph.errors import UsageError

SEVERAL = ("--targets", "--missing", "--graph-columns")  # which take more than one
VALUE_OPTIONS = (
    "--smiles",
    *SEVERAL,
    "--id",
    "--split-column",
    "--time-column",
)  # whose values may be -x


class Parser(argparse.ArgumentParser):
    """Says what is wrong as the rest of pbgraph does: in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise the message as a UsageError."""
        if without := re.match(r"argument (--[a-z-]+)\S*: expected .*argument", message):
            message += f"; a value that begins with dashes is written {without[1]}=VALUE"
        raise UsageError(f"{message}; see {self.prog} --help")

    def _match_arguments_partial(self, actions: Sequence[argparse.Action], arg_strings_pattern: str) -> list[int]:
        """As argparse's, but a word that can be left out is not taken for left out while an option follows.

        `compare TASK --seeds 5 A B` has A and B after the option. So it is in later Pythons.
        """
        counts = super()._match_arguments_partial(actions, arg_strings_pattern)
        if arg_strings_pattern[sum(counts) :].startswith("O"):
            while counts and counts[-1] == 0:
                counts.pop()
        return counts


class CommandParser(Parser):
    """The parser of one command, which gets its arguments when it is used: a line has one command, and there are many.

    add_arguments  adds them to this parser
    """

    def __init__(self, *, add_arguments: Callable[[argparse.ArgumentParser], None], **options: Any) -> None:
        super().__init__(**options)
        self._add_arguments: Callable[[argparse.ArgumentParser], None] | None = add_arguments

    def complete(self) -> CommandParser:
        """The parser with its arguments."""
        if self._add_arguments is not None:
            add_arguments, self._add_arguments = self._add_arguments, None
            add_arguments(self)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's."""
        self.complete()
        return super().parse_known_args(args, namespace)


def with_dashed_values(argv: Sequence[str]) -> list[str]:
    """The words of ``train`` with a value such as -logS joined to its option, as argparse needs it.

    A value is what follows an option of columns or labels, begins with one dash, and is no option itself.
    """
    words: list[str] = []
    option, several = "", False
    for word in argv:
        if word == "--" or word.startswith("--") or word == "-h":
            option, several = (word, word in SEVERAL) if word in VALUE_OPTIONS else ("", False)
            words.append(word)
        elif option and word.startswith("-") and len(word) > 1:
            if words[-1] == option:
                words.pop()
            words.append(f"{option}={word}")
            option = option if several else ""
        else:
            if option and words[-1].startswith(f"{option}="):
                words.append(option)
            words.append(word)
            option = option if several else ""
    return words
