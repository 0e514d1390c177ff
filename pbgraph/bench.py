"""The command line: ``python -m pbgraph.bench``, or ``pbgraph`` for short.

Progress and log go to stderr, results to stdout. Exit codes: 0 done, 1 a run failed, 2 wrong usage, 3 data not
to be had, 130 interrupted with nothing lost. `pbgraph.arguments` says what each command takes, and
`pbgraph.commands` holds what it does; everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from pbgraph.arguments import parse
from pbgraph.errors import PbgraphError
from pbgraph.terminal import say, write_whatever_the_encoding


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    write_whatever_the_encoding()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_OnceToStderr()], force=True)
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        code: int = args.command(args)
        sys.stdout.flush()
    except PbgraphError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _say(str(error), 1)
    return code


class _OnceToStderr(logging.Handler):
    """Writes each message once, to what is stderr at that time: a live display puts itself in its place."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if text not in self._seen:
            self._seen.add(text)
            say(text)


def _say(message: str, code: int) -> int:
    say(f"pbgraph: {message}")
    return code


if __name__ == "__main__":
    sys.exit(main())
