"""A process of `pbgraph.structures.parallel`: ``python -m pbgraph.structures.part_worker FD``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from pbgraph.structures.smiles import silence


def serve(connection: Connection) -> None:
    """Do each part that comes, until the pipe closes."""
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    while True:
        function, part = inbox.get()
        try:
            with silence():
                answer: tuple[Any, Exception | None] = function(*part), None
        except Exception as error:  # which is raised where the results are wanted
            answer = None, error
        connection.send(answer)


def _listen(connection: Connection, inbox: SimpleQueue[Any]) -> None:
    """A pipe that closes ends the process, whatever it is doing: nobody waits for it any more."""
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def main() -> None:
    """Serve the pipe with the file descriptor that the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # sent to the whole group: the process that asked sees to the end
    try:
        serve(Connection(int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        return  # the process that asked is gone


if __name__ == "__main__":
    main()
