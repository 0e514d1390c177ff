"""The command line: ``python -m pbgraph.bench``, or ``pbgraph`` for short.

Progress and log go to stderr, results to stdout. Exit codes: 0 done, 1 a run failed, 2 wrong usage, 3 data not
to be had, 130 interrupted with nothing lost. `pbgraph.cli.arguments` says which commands there are, and
`pbgraph.cli.commands` what each takes and does; everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process without a word, until `main` listens for it

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from pbgraph.errors import Interrupted, PbgraphError, of_the_system
from pbgraph.terminal import say, visible_cell, write_whatever_the_encoding


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    write_whatever_the_encoding()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_OnceToStderr()], force=True)
    with _interrupts_noted() as interrupts:
        try:
            _open_what_is_closed()
            code = _run(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt:
            return _say("interrupted", 130)
        except BrokenPipeError:  # the reader has seen enough, as in `| head`
            _give_up_stdout()
            return 0
        except PbgraphError as error:
            return _say(str(error), Interrupted.exit_code if interrupts else error.exit_code)
        except OSError as error:
            _give_up_stdout()
            return _say(of_the_system(error), Interrupted.exit_code if interrupts else 1)
    return code


def _run(argv: Sequence[str]) -> int:
    from pbgraph.cli.arguments import parse

    args = parse(argv)
    code: int = args.command(args)
    sys.stdout.flush()
    return code


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """The Ctrl-C that came, each still a KeyboardInterrupt: code that is being imported makes other errors of that."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, note) if signal.getsignal(signal.SIGINT) != signal.SIG_IGN else None
    except ValueError:  # not in the main thread, which alone is interrupted
        before = None
    try:
        yield seen
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _open_what_is_closed() -> None:
    """Lead the standard streams that the caller has closed nowhere, lest another file get their numbers."""
    closed = [number for number in range(3) if not _is_open(number)]
    for number in closed:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (as long as the process)
    if 1 in closed:
        logging.getLogger(__name__).warning("stdout is closed: what would be printed there is lost")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _give_up_stdout() -> None:
    """What is left to be printed goes nowhere, where it can go nowhere else: the interpreter would fail on it again."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    say(f"pbgraph: {visible_cell(message)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
