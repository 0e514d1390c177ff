"""Many structures at a time: in several processes where starting them pays.

The processes are ours alone: each reads parts from its pipe, and ends when that closes. That is when the last result is
there, when it is not wanted any more, or when this process ends, however it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Pipe, wait
from typing import Any, TypeVar

from pbgraph.errors import PbgraphError
from pbgraph.stages import counted
from pbgraph.structures.smiles import silence

PART = 2_000  # structures that a process reads at a time: what RDKit says of them are Python objects until it is arrays
START = 2.0  # seconds that starting the processes takes
AHEAD = 4  # parts per process that may be done before the first one of them is wanted

T = TypeVar("T")
Function = Callable[[Sequence[str], int], T]
Parts = Sequence[tuple[Sequence[str], int]]


def in_parts(
    function: Function[T],
    smiles: Sequence[str],
    *,
    seconds_each: float,
    processes: int | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[T]:
    """function(part, position of its first one) for successive parts of `smiles`, in order.

    function      importable by another process
    seconds_each  what one structure costs, roughly
    processes     None: as many as there are cores, where that saves more than it costs
    done          told how many structures more were read, after each part
    No structures are one empty part.
    The number of processes does not change the result. Raises what the function raises; PbgraphError if a process of
    several dies.
    """
    parts = [(smiles[first : first + PART], first) for first in range(0, max(len(smiles), 1), PART)]
    if processes is None:
        processes = _worthwhile(len(smiles) * seconds_each)
    with counted(len(smiles)) as reached:
        for (part, first), result in zip(parts, _results(function, parts, processes), strict=True):
            done(len(part))
            reached(first + len(part))
            yield result


def _worthwhile(seconds: float) -> int:
    return cores() if seconds > 2 * START else 1


def cores() -> int:
    """Cores this process may use: affinity and container limits are respected."""
    from joblib import cpu_count

    return int(cpu_count())


def _results(function: Function[T], parts: Parts, processes: int) -> Iterator[T]:
    processes = min(processes, len(parts))
    if processes == 1:
        for part in parts:
            with silence():
                result = function(*part)
            yield result
        return
    with ExitStack() as stack:
        yield from _shared(function, parts, [_Process(stack) for _ in range(processes)])


def _shared(function: Function[T], parts: Parts, processes: Sequence[_Process]) -> Iterator[T]:
    """The results in order; each process gets the next part when it has done one, unless it is too far ahead."""
    waiting, made, wanted = list(enumerate(parts))[::-1], dict[int, tuple[T, Exception | None]](), 0
    busy: dict[_Process, int] = {}
    while wanted < len(parts):
        for process in processes:
            if process not in busy and waiting and waiting[-1][0] < wanted + AHEAD * len(processes):
                busy[process], part = waiting.pop()
                process.ask(function, part)
        ready = wait([process.pipe for process in busy])
        for process in [process for process in busy if process.pipe in ready]:
            made[busy.pop(process)] = process.answer()
        while wanted in made:
            result, error = made.pop(wanted)
            if error is not None:
                raise error
            yield result
            wanted += 1


class _Process:
    """A process of `pbgraph.structures.part_worker`, and the pipe to it; it ends with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        self.pipe, theirs = Pipe()
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pbgraph.structures.part_worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()
        stack.callback(self.end)

    def ask(self, function: Function[T], part: tuple[Sequence[str], int]) -> None:
        """Have a part done."""
        try:
            self.pipe.send((function, part))
        except OSError as error:
            raise self._died() from error

    def answer(self) -> tuple[Any, Exception | None]:
        """What became of the part: its result, or what was raised."""
        try:
            answer: tuple[Any, Exception | None] = self.pipe.recv()
        except (EOFError, OSError) as gone:
            raise self._died() from gone
        return answer

    def end(self) -> None:
        """Whatever it is doing."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()

    def _died(self) -> PbgraphError:
        code = self.process.wait()
        return PbgraphError(
            f"a process that read structures ended with status {code}, for lack of memory or by a fault of RDKit's; "
            "try again, with fewer rows if it does so again"
        )
