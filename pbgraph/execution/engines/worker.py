"""A worker process: takes runs from its pipe one after another, and sends back reports and records.

Started by `pbgraph.execution.engines.local` with one thread per process. It ignores Ctrl-C and the like: its parent
tells it to stop. When the pipe ends, the parent is gone, and so is the worker soon after, whatever it is doing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pbgraph.errors import Interrupted, PbgraphError, of_the_system
from pbgraph.execution.engines.base import Broken, Done, Message, Reported, Setup, Stop, Stopped, Warned
from pbgraph.execution.numerics import settle
from pbgraph.results.records import RunSpec

if TYPE_CHECKING:
    from pbgraph.methods.base import Report

REPORT_EVERY = 0.2  # seconds
ORPHAN_SECONDS = 6.0  # a worker whose parent is gone may take so long to save its run

Inbox = SimpleQueue[RunSpec | None]


class _WarningsToParent(logging.Handler):
    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.WARNING)
        self.connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        self.connection.send(Warned(self.format(record)))


class _Reporter:
    """Passes reports on to the parent, not too often, and carries its wish to stop into the run."""

    def __init__(self, connection: Connection, stop: threading.Event) -> None:
        self.connection, self.stop = connection, stop
        self._phase, self._sent = "", 0.0

    def __call__(self, report: Report) -> None:
        if self.stop.is_set():
            raise Interrupted("stopped by its parent process")
        now = time.monotonic()
        if report.phase != self._phase or now - self._sent > REPORT_EVERY:
            self._phase, self._sent = report.phase, now
            self.connection.send(Reported(report))


def serve(connection: Connection) -> None:
    """Work until the parent closes the pipe."""
    setup: Setup = connection.recv()
    runner = import_module(setup.runner)
    settle()
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[_WarningsToParent(connection)], force=True
    )
    logging.captureWarnings(True)
    inbox, stop = Inbox(), threading.Event()
    threading.Thread(target=_listen, args=(connection, inbox, stop), daemon=True).start()
    while (spec := inbox.get()) is not None:
        connection.send(_outcome(runner, spec, setup, report=_Reporter(connection, stop)))


def _outcome(runner: Any, spec: RunSpec, setup: Setup, *, report: _Reporter) -> Message:
    if report.stop.is_set():
        return Stopped()
    try:
        return Done(runner.run(spec, setup.options, device=setup.device, report=report))
    except Interrupted:
        return Stopped()
    except PbgraphError as error:
        return Broken(error)
    except OSError as error:
        return Broken(PbgraphError(f"{spec.arm} seed {spec.seed} cannot go on: {of_the_system(error)}"))


def _listen(connection: Connection, inbox: Inbox, stop: threading.Event) -> None:
    try:
        while True:
            message: RunSpec | Stop = connection.recv()
            if isinstance(message, Stop):
                stop.set()
            else:
                inbox.put(message)
    except (EOFError, OSError):
        stop.set()
        inbox.put(None)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)


def main() -> None:
    """``python -m pbgraph.execution.engines.worker FD``: serve the pipe with this file descriptor."""
    # what is sent to the whole group is for its parent, who says when to stop
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    try:
        serve(Connection(int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # the parent is gone


if __name__ == "__main__":
    main()
