"""Python processes as forks of one that has imported what a run needs, which takes an interpreter of its own seconds.

`Popen` and `run` stand in for those of `subprocess` where a command is ``python -m MODULE`` or ``python -c CODE``;
workers that such a process starts are forks of it in turn. Each is a process of its own, in its own folder and
environment, that can be signalled and killed. Variables that an interpreter reads when it starts do nothing here, and
arithmetic is that of workers. What is about interpreters takes real ones: the fixture `real_workers`, and `subprocess`.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import IO, Any

import pytest

from pbgraph.execution.engines import local

PIPE = subprocess.PIPE


@cache
def _context() -> BaseContext:
    """What processes are forked from: a server, which ends when this process does; in a fork of it, that fork."""
    if parent_process() is not None:
        return get_context("fork")
    context = get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    return context


@dataclass(frozen=True)
class _Start:
    """What a process is to find and to do.

    streams    number -> what it writes there
    passed     the descriptors that it is given beside these; their numbers here are the last words of args
    inherited  numbers that are open in the process it is forked from, and would be closed in an interpreter of its own
    """

    args: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    session: bool
    blocked: frozenset[int]
    streams: Mapping[int, Connection]
    passed: tuple[Connection, ...]
    inherited: frozenset[int]

    def __call__(self) -> None:
        for number, stream in self.streams.items():
            os.dup2(stream.fileno(), number)
            stream.close()
        for number in self.inherited - {one.fileno() for one in self.passed}:
            with suppress(OSError):
                os.close(number)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(self.cwd)
        os.environ.clear()
        os.environ.update(self.env)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        if self.session:
            os.setsid()
        local.subprocess = SUBPROCESS  # type: ignore[attr-defined]
        python, *words = (word for word in self.args if word != "-P")
        words[len(words) - len(self.passed) :] = [str(one.fileno()) for one in self.passed]
        sys.path[:0] = [*filter(None, self.env.get("PYTHONPATH", "").split(os.pathsep)), *_packages(Path(python))]
        how, what, *rest = words
        sys.argv[1:] = rest
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def _packages(python: Path) -> list[str]:
    """Where an interpreter other than this one finds packages."""
    other = python != Path(sys.executable)
    return [str(found) for found in (python.parents[1] / "lib").glob("python*/site-packages")] if other else []


class Popen:
    """As much of `subprocess.Popen` as tests and the engine use."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        pass_fds: Sequence[int] = (),
        stdin: int | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        text: bool = False,
        start_new_session: bool = False,
    ) -> None:
        assert stdin in (None, subprocess.DEVNULL)  # which it has anyway
        self.args = args
        given = {number: self._stream(to, text) for number, to in ((1, stdout), (2, stderr)) if to is not None}
        theirs, ours = {n: pair[0] for n, pair in given.items()}, {n: pair[1] for n, pair in given.items()}
        passed = tuple(Connection(os.dup(number)) for number in pass_fds)
        self.stdout, self.stderr = ours.get(1), ours.get(2)
        in_fork = parent_process() is not None
        start = _Start(
            tuple(map(str, args)),
            {**(os.environ if env is None else env)},
            str(cwd or os.getcwd()),
            start_new_session,
            frozenset(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
            theirs,
            passed,
            frozenset(int(name) for name in os.listdir("/dev/fd") if int(name) > 2) if in_fork else frozenset(),
        )
        self._process = _context().Process(target=start)
        with pytest.MonkeyPatch.context() as patch:  # of the server, where it is started now
            for name, value in local._environment().items():
                patch.setenv(name, value)
            self._process.start()
        for one in (*theirs.values(), *passed):
            one.close()
        self.pid: int = self._process.pid
        self.kill = self._process.kill

    @staticmethod
    def _stream(to: int | IO[Any], text: bool) -> tuple[Connection, IO[Any] | None]:
        """(what the process writes to, what is read from it here)."""
        if to != PIPE:
            return Connection(os.dup(to if isinstance(to, int) else to.fileno())), None
        reading, writing = os.pipe()
        return Connection(writing, readable=False), open(reading, "r" if text else "rb")

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        said: dict[int, Any] = {}
        streams = {number: stream for number, stream in ((1, self.stdout), (2, self.stderr)) if stream is not None}
        readers = [
            Thread(target=lambda n=n, s=s: said.__setitem__(n, s.read()), daemon=True) for n, s in streams.items()
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader, stream in zip(readers, streams.values(), strict=True):
            reader.join(timeout)
            stream.close()
        return said.get(1), said.get(2)


def run(args: Sequence[str], *, timeout: float, **how: Any) -> subprocess.CompletedProcess[str]:
    """Like `subprocess.run` with captured text."""
    process = Popen(args, stdout=PIPE, stderr=PIPE, text=True, **how)
    try:
        out, err = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(list(args), process.wait(), out, err)


SUBPROCESS = SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
