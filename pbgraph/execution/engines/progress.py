"""How the work goes, on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from pbgraph.execution.engines.base import Progress
from pbgraph.humanize import duration, figure
from pbgraph.metrics import label_of, scale_of
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.terminal import visible, visible_cell

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.methods.base import Report

LINE_EVERY = 30.0  # seconds between two plain lines of one worker
SMOOTHING = 0.2  # weight of the newest estimate of the time left
EMPTY = dict.fromkeys(("run", "phase", "epoch", "best", "dendrites", "left"), "")
IDLE = {**EMPTY, "run": "idle"}


def outcome(record: RunRecord) -> str:
    """A run's result in one line."""
    name = f"{record.spec.arm} seed {record.spec.seed}"
    test, cost = record.scores.get("test"), record.cost
    if record.status == "failed" or test is None or cost is None:
        return f"{name}: FAILED: {visible_cell(record.error or '')}"
    value = test.metrics.get(record.spec.metric)
    score = "undefined" if value is None else figure(value, scale_of(record.spec.metric, [value]))
    return f"{name}: test {label_of(record.spec.metric)} {score}, {cost.epochs} epochs, {duration(cost.seconds)}"


class TimeLeft:
    """Time left of one run, from the share of its longest possible length that this sitting has done.

    expected  seconds that the whole run is expected to take, or None if nobody knows
    """

    def __init__(self, expected: float | None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.expected, self._now = expected, now
        self._start: tuple[float, float] | None = None
        self._end: float | None = None  # smoothed time at which the longest possible run would end

    def update(self, fraction: float) -> None:
        """The run has come so far; the first call of a sitting says where it was taken up."""
        now = self._now()
        if self._start is None:
            self._start = now, fraction
        began, first = self._start
        if fraction > first and now > began:
            end = now + (1 - fraction) * (now - began) / (fraction - first)
            self._end = end if self._end is None else (1 - SMOOTHING) * self._end + SMOOTHING * end

    def seconds(self) -> float | None:
        """What is left: as long as expected, at most as long as the longest possible run."""
        longest = None if self._end is None else max(self._end - self._now(), 0.0)
        if self.expected is None or self._start is None:
            return longest if longest is not None else self.expected
        began, first = self._start
        expected = self.expected * (1 - first) - (self._now() - began)
        if longest is None:
            return max(expected, 0.0)
        return min(expected, longest) if expected > 0 else longest


@dataclass
class _Running:
    spec: RunSpec
    left: TimeLeft
    report: Report | None = None

    def cells(self) -> dict[str, str]:
        """What is shown, by column."""
        run = f"{self.spec.arm} {self.spec.seed}"
        if self.report is None:
            return {**EMPTY, "run": run, "phase": "starting"}
        count, best = self.report.dendrites, self.report.best
        return {
            "run": run,
            "phase": self.report.phase,
            "epoch": f"epoch {self.report.epoch}",
            "best": "" if best is None else f"best valid {figure(best, scale_of(self.spec.metric, [best]))}",
            "dendrites": f"{count} dendrite{'' if count == 1 else 's'}",
            "left": f"{duration(self.left.seconds())} left",
        }


class _Board:
    """What both displays know: who does what, how many runs are done, how long it will take."""

    def __init__(self, work: Work, jobs: int) -> None:
        self.planned, self.done = len(work.plan.specs), len(work.finished) + len(work.failed)
        self.running: dict[int, _Running] = {}
        self._jobs, self._seconds = jobs, work.seconds
        self._unstarted = {spec.key for spec in work.todo}

    def start(self, worker: int, spec: RunSpec) -> None:
        self._unstarted.discard(spec.key)
        self.running[worker] = _Running(spec, TimeLeft(self._seconds.get(spec.key)))

    def report(self, worker: int, report: Report) -> None:
        self.running[worker].left.update(report.fraction)
        self.running[worker].report = report

    def end(self, worker: int | None, record: RunRecord) -> None:
        self.done += 1
        self._unstarted.discard(record.key)
        if worker is not None:
            del self.running[worker]

    def leave(self, worker: int) -> RunSpec:
        spec = self.running.pop(worker).spec
        self._unstarted.add(spec.key)
        return spec

    def summary(self) -> tuple[str, str]:
        """(runs done, time left)"""
        return f"{self.done} of {self.planned} runs done", f"{duration(self._seconds_left())} left"

    def _seconds_left(self) -> float:
        running = [run.left.seconds() or 0.0 for run in self.running.values()]
        waiting = sum(self._seconds.get(key, 0.0) for key in self._unstarted)
        return max([(sum(running) + waiting) / self._jobs, *running])


class Lines:
    """Plain lines for a log file: starts, switches of phase, a line now and then, results."""

    def __init__(self, work: Work, jobs: int, console: Console) -> None:
        self._board, self._console = _Board(work, jobs), console
        self._said: dict[int, tuple[str, float]] = {}

    def started(self, worker: int, spec: RunSpec) -> None:
        """Say so."""
        self._board.start(worker, spec)
        self._said[worker] = "", time.monotonic()
        self.note(f"[{worker + 1}] {spec.arm} seed {spec.seed}: started")

    def reported(self, worker: int, report: Report) -> None:
        """Say so if the phase is new or nothing was said for a while."""
        self._board.report(worker, report)
        phase, when = self._said[worker]
        if report.phase != phase or time.monotonic() - when > LINE_EVERY:
            self._said[worker] = report.phase, time.monotonic()
            self.note(f"[{worker + 1}] " + ", ".join(filter(None, self._board.running[worker].cells().values())))

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """Give the result and the time left of everything."""
        self._board.end(worker, record)
        self.note(outcome(record))
        self.note(", ".join(self._board.summary()))

    def left(self, worker: int, reason: str) -> None:
        """Say why."""
        spec = self._board.leave(worker)
        self.note(f"[{worker + 1}] {spec.arm} seed {spec.seed}: {reason}")

    def note(self, text: str) -> None:
        """Print the line; where that cannot be, as on a full disk, the work goes on without it."""
        with suppress(OSError):
            self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


class Live:
    """One line per worker and one for all, renewed in place; results scroll by above them."""

    def __init__(self, work: Work, jobs: int, bars: Bars) -> None:
        self._board, self._bars = _Board(work, jobs), bars
        workers = range(min(jobs, len(work.todo)))
        self._tasks = {worker: bars.add_task("", total=1.0, cells=IDLE) for worker in workers}
        self._all = bars.add_task("", total=self._board.planned, cells=EMPTY)
        self._refresh_all()

    def started(self, worker: int, spec: RunSpec) -> None:
        """Show the run on the worker's line."""
        self._board.start(worker, spec)
        self._refresh(worker, 0.0)

    def reported(self, worker: int, report: Report) -> None:
        """Renew the worker's line."""
        self._board.report(worker, report)
        self._refresh(worker, report.fraction)
        self._refresh_all()

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """Print the result above the display."""
        self._board.end(worker, record)
        self.note(outcome(record))
        if worker is not None:
            self._bars.update(self._tasks[worker], completed=0.0, cells=IDLE)
        self._refresh_all()

    def left(self, worker: int, reason: str) -> None:
        """Print why above the display."""
        spec = self._board.leave(worker)
        self.note(f"{spec.arm} seed {spec.seed}: {reason}")
        self._bars.update(self._tasks[worker], completed=0.0, cells=IDLE)

    def note(self, text: str) -> None:
        """Print a line above the display."""
        self._bars.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def _refresh(self, worker: int, fraction: float) -> None:
        self._bars.update(self._tasks[worker], completed=fraction, cells=self._board.running[worker].cells())

    def _refresh_all(self) -> None:
        run, left = self._board.summary()
        self._bars.update(self._all, completed=self._board.done, cells={**EMPTY, "run": run, "left": left})


def make_bars(console: Console, *, auto_refresh: bool = True) -> Bars:
    """An empty display: a bar, then one column for each cell."""
    texts = [
        TextColumn(f"{{task.fields[cells][{name}]}}", markup=False, table_column=Column(no_wrap=True)) for name in EMPTY
    ]
    bar = BarColumn(bar_width=12)
    return Bars(bar, *texts, console=console, transient=True, refresh_per_second=4, auto_refresh=auto_refresh)


@contextmanager
def shown(work: Work, jobs: int) -> Iterator[Progress]:
    """The display that suits stderr, for as long as the block lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(work, jobs, console)
        return
    with make_bars(console) as bars:
        yield Live(work, jobs, bars)


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, if that is a terminal, for work that tells after each piece how many more are done."""
    console = Console(stderr=True)
    with Bars(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda more: bars.advance(task, more)
