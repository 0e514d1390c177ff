"""Runs on this machine: worker processes with one thread each.

On the CPU two runs side by side beat one run on two threads, and one thread sums in one order, so records do
not depend on the number of workers. A worker that the system kills costs one attempt: the run is taken up
from its checkpoint by a fresh worker, and recorded as failed if that one is killed too.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Pipe, wait
from types import FrameType
from typing import TYPE_CHECKING

from pbgraph.errors import Interrupted, PbgraphError
from pbgraph.execution import numerics
from pbgraph.execution.engines.base import (
    Broken,
    Done,
    Message,
    Progress,
    Reported,
    Schedule,
    Setup,
    Source,
    Stop,
    Stopped,
    Warned,
    names_of_failed,
)
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.execution.fitting import RunOptions

ATTEMPTS = 2
TIME_IS_UP = signal.SIGUSR1  # what SLURM is asked to send some time before it ends a job
TICK = 0.25  # seconds between two looks at the signals
STOP_SECONDS = 8.0  # workers may take so long to save their runs before they are killed
# of glibc: freed memory stays with the process, in huge pages, so that training steps pay for no page faults;
# benchmarks/allocator.py measures what that brings
ALLOCATOR = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"hugetlb": 1, "mmap_threshold": 2**25, "trim_threshold": 2**31 - 1}.items()
)

log = logging.getLogger(__name__)


def run_all(
    work: Work,
    options: RunOptions,
    *,
    jobs: int,
    device: str,
    progress: Progress,
    runner: str = "pbgraph.execution.runner",
) -> list[RunRecord]:
    """Do what is left of a plan on `jobs` worker processes; returns the new records as they came.

    runner  module with `run` and `failed` as in `pbgraph.execution.runner`
    Raises Interrupted after Ctrl-C or SIGTERM, with all runs in progress saved; PbgraphError if a worker
    could not get its data or write its record. No worker outlives the call.
    """
    ResultsFolder(options.results).sweep()
    schedule, planned = Schedule(work.todo, names_of_failed(work)), len(work.todo)
    return run_schedule(
        schedule, Setup(runner, options, device), min(jobs, planned), progress=progress, planned=planned
    )


def run_schedule(
    schedule: Source,
    setup: Setup,
    jobs: int,
    *,
    progress: Progress,
    planned: int,
    lost: Container[str] = (),
    deadline: float | None = None,
) -> list[RunRecord]:
    """The same for runs that are made up as the work goes.

    planned   how many there will be at the most
    lost      keys of runs that are to be left at once, since others do them
    deadline  of the monotonic clock, when to stop as after Ctrl-C
    """
    foreman = _Foreman(schedule, setup, jobs, progress=progress, lost=lost)
    with signals_counted() as signals:
        try:
            while not signals and foreman.advance():
                if deadline is not None and time.monotonic() >= deadline:
                    signals.append(TIME_IS_UP)
        finally:
            foreman.stop_workers(signals)
            foreman.kill_workers()
        if signals:
            raise Interrupted(interrupted_message(signals[0], len(foreman.records), planned))
    return foreman.records


def interrupted_message(number: int, done: int, planned: int) -> str:
    """What is said when a signal has ended the work."""
    what = "the time is up" if number == TIME_IS_UP else "interrupted"
    return f"{what} with {done} of {planned} runs done; the same command goes on from here"


class Worker:
    """One process and the pipe to it. number: its line in the progress display."""

    def __init__(self, number: int, setup: Setup) -> None:
        self.number = number
        self.spec: RunSpec | None = None
        self.connection, theirs = Pipe()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        with _interrupts_blocked():
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pbgraph.execution.engines.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.output,
                env=_environment(),
            )
        theirs.close()
        self.send(setup)

    def start(self, spec: RunSpec) -> None:
        """Hand the worker its next run."""
        self.spec = spec
        self.send(spec)

    def send(self, message: object) -> None:
        """Send; that a worker is dead is noticed when it is listened to."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def messages(self) -> Iterator[Message]:
        """What has arrived; raises EOFError if the worker is gone."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except OSError as error:
            raise EOFError from error

    def end(self) -> str:
        """Kill what is left of the process; returns how it ended, with its last words."""
        if self.process.poll() is None:
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        self.connection.close()
        self.output.seek(0)
        last = self.output.read()[-2000:].decode(errors="replace").strip().rsplit("\n", 1)[-1]
        self.output.close()
        how = (
            f"its worker was killed by {signal.Signals(-code).name}"
            if code < 0
            else f"its worker ended with status {code}"
        )
        return f"{how}: {last}" if last else how


class _Foreman:
    """Gives runs to workers until none is left."""

    def __init__(
        self,
        schedule: Source,
        setup: Setup,
        jobs: int,
        *,
        progress: Progress,
        lost: Container[str] = (),
    ) -> None:
        self.schedule, self.setup, self.jobs = schedule, setup, jobs
        self.progress, self.lost = progress, lost
        self.workers: list[Worker] = []
        self.records: list[RunRecord] = []
        self._attempts: Counter[str] = Counter()

    @property
    def busy(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.spec is not None]

    def advance(self) -> bool:
        """Start what can be started and hear what the workers say, for a moment; False once all is done."""
        self._fail_without_pair()
        self._leave_the_lost()
        self._start_runs()
        wait([worker.connection for worker in self.busy], timeout=TICK if self.busy or self.schedule.waiting else 0)
        for worker in self.busy:
            self._listen_to(worker)
        self.progress.passed()
        return bool(self.busy or self.schedule.waiting)

    def stop_workers(self, signals: list[int]) -> None:
        """Ask the workers to save and leave their runs, and wait a few seconds, unless a second signal comes."""
        if self.busy:
            self.progress.note("stopping: runs in progress are being saved")
        for worker in self.busy:
            worker.send(Stop())
        deadline, asked = time.monotonic() + STOP_SECONDS, len(signals)
        while self.busy and time.monotonic() < deadline and len(signals) == asked:
            wait([worker.connection for worker in self.busy], timeout=TICK)
            for worker in self.busy:
                with suppress(PbgraphError):  # what made them stop has been said already
                    self._listen_to(worker)

    def kill_workers(self) -> None:
        """Idle or not, end every worker now."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.end()
        self.workers.clear()

    def _start_runs(self) -> None:
        while len(self.busy) < self.jobs and (spec := self.schedule.take()) is not None:
            idle = [worker for worker in self.workers if worker.spec is None]
            worker = idle[0] if idle else self._hire()
            self._attempts[spec.key] += 1
            worker.start(spec)
            self.progress.started(worker.number, spec)

    def _hire(self) -> Worker:
        taken = {worker.number for worker in self.workers}
        worker = Worker(min(set(range(self.jobs)) - taken), self.setup)
        self.workers.append(worker)
        return worker

    def _listen_to(self, worker: Worker) -> None:
        try:
            for message in worker.messages():
                self._hear(worker, message)
        except EOFError:
            self._retry_or_fail(worker)

    def _hear(self, worker: Worker, message: Message) -> None:
        match message:
            case Reported(report):
                self.progress.reported(worker.number, report)
            case Warned(text):
                log.warning("%s", text)
            case Done(record):
                worker.spec = None
                self._close(worker.number, record)
            case Stopped():
                worker.spec = None
                self.progress.left(worker.number, "saved")
            case Broken(error):
                worker.spec = None
                raise error

    def _retry_or_fail(self, worker: Worker) -> None:
        """A worker is gone: start its run again, or record that it failed."""
        spec, how = worker.spec, worker.end()
        self.workers.remove(worker)
        if spec is None:
            return
        if self._attempts[spec.key] < ATTEMPTS:
            self.progress.left(worker.number, f"{how}; trying once more")
            self.schedule.put_back(spec)
        else:
            self._close(worker.number, self._fail(spec, f"{how} ({ATTEMPTS} attempts)"))

    def _leave_the_lost(self) -> None:
        for worker in self.busy:
            spec = worker.spec
            if spec is not None and spec.key in self.lost:
                worker.process.kill()
                worker.end()
                self.workers.remove(worker)
                self._attempts[spec.key] -= 1
                self.progress.left(worker.number, "another worker has taken it over")
                self.schedule.put_back(spec)

    def _fail_without_pair(self) -> None:
        while (unpaired := self.schedule.take_without_pair()) is not None:
            spec, pair = unpaired
            error = f"the run it is paired with, {pair}, failed"
            self._close(None, self._fail(spec, error))

    def _fail(self, spec: RunSpec, error: str) -> RunRecord:
        runner = import_module(self.setup.runner)
        record: RunRecord = runner.failed(spec, self.setup.options, error, device=self.setup.device)
        return record

    def _close(self, number: int | None, record: RunRecord) -> None:
        self.records.append(record)
        self.schedule.close(record)
        self.progress.ended(number, record)


def _environment() -> dict[str, str]:
    """For workers: one arithmetic, whatever the user's environment says of it, and the parent's module path.

    The allocator keeps what it has; cuBLAS is deterministic.
    """
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    wanted = {"GLIBC_TUNABLES": ALLOCATOR, **numerics.CUBLAS}
    return {**wanted, **os.environ, **numerics.environment(), "PYTHONPATH": path}


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process started in here never sees Ctrl-C and the like, not even while its interpreter starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, TIME_IS_UP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_counted() -> Iterator[list[int]]:
    """SIGINT and the like are collected in a list instead of ending the program; nohup's wish is respected."""
    seen: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        seen.append(number)

    wanted = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, TIME_IS_UP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    handlers = {number: signal.signal(number, note) for number in wanted}
    try:
        yield seen
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
