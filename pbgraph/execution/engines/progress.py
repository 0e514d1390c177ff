"""How the work goes, on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress as Bars

from pbgraph.execution.engines.base import Progress
from pbgraph.execution.engines.display import Display, Line
from pbgraph.execution.engines.time_left import TimeLeft
from pbgraph.humanize import duration, figure
from pbgraph.metrics import label_of, scale_of
from pbgraph.results.arms import Arm, shortened
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.stages import Stage, heard
from pbgraph.terminal import visible, visible_cell

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.methods.base import Report

LINE_EVERY = 30.0  # seconds between two plain lines of one worker
PATIENCE = 2.0  # seconds after which a log says what is done before training


def outcome(record: RunRecord, name: str = "") -> str:
    """A run's result in one line; name: by which its arm is shown."""
    name = f"{name or record.spec.arm} seed {record.spec.seed}"
    test, cost = record.scores.get("test"), record.cost
    if record.status == "failed" or test is None or cost is None:
        return f"{name}: FAILED: {visible_cell(record.error or '')}"
    value = test.metrics.get(record.spec.metric)
    score = "undefined" if value is None else figure(value, scale_of(record.spec.metric, [value]))
    return f"{name}: test {label_of(record.spec.metric)} {score}, {cost.epochs} epochs, {duration(cost.seconds)}"


@dataclass
class _Running:
    """A run that a worker is doing; name: by which it is shown, with its seed."""

    spec: RunSpec
    name: str
    left: TimeLeft
    report: Report | None = None

    def line(self) -> Line:
        """What is shown of it."""
        left = f"{duration(seconds)} left" if (seconds := self.left.seconds()) is not None else ""
        if self.report is None:
            return Line(self.name, epoch="starting", left=left)
        return replace(line_of(self.report, self.spec.metric), name=self.name, left=left)


def line_of(report: Report, metric: str) -> Line:
    """What a run has said, by column; the metric that selects gives its best score."""
    if not report.trains or report.phase == "fit":
        return Line("", epoch="fitting" if report.trains else str(Stage(report.phase, report.share)))
    best, count = report.best, report.dendrites
    return Line(
        "",
        report.phase,
        epoch_of(report.epoch, report.epochs),
        "" if best is None else f"best {figure(best, scale_of(metric, [best]))}",
        f"{count} dendrite{'' if count == 1 else 's'}",
        fraction=report.fraction,
    )


def epoch_of(epoch: int, epochs: int | None) -> str:
    """Which epoch it is, of how many at the most; epochs are counted from 0.

    >>> epoch_of(11, 60), epoch_of(60, 60), epoch_of(3, None)
    ('epoch 12 of 60', 'epoch 60 of 60', 'epoch 4')
    """
    return f"epoch {epoch + 1}" if epochs is None else f"epoch {min(epoch + 1, epochs)} of {epochs}"


class _Board:
    """What both displays know: who does what, how many runs are done, how long it will take."""

    def __init__(self, work: Work, jobs: int) -> None:
        self.planned, self.done = len(work.plan.specs), len(work.finished) + len(work.failed)
        self.running: dict[int, _Running] = {}
        self._jobs, self._seconds = jobs, dict(work.seconds)
        self._unstarted = {spec.key: spec for spec in work.todo}
        self._took: dict[tuple[str, Arm], float] = {}  # what runs of an arm and preset have taken here
        self._called = shortened(work.plan.arms, work.plan.labels)

    def name(self, spec: RunSpec) -> str:
        """By which a run is shown, without its seed."""
        return str(self._called.get(spec.arm, spec.arm))

    def start(self, worker: int, spec: RunSpec) -> None:
        self._unstarted.pop(spec.key, None)
        self.running[worker] = _Running(spec, f"{self.name(spec)} {spec.seed}", TimeLeft(self._expected(spec)))

    def report(self, worker: int, report: Report) -> None:
        if report.trains:
            self.running[worker].left.update(report.fraction)
        self.running[worker].report = report

    def end(self, worker: int | None, record: RunRecord) -> None:
        self.done += 1
        self._unstarted.pop(record.key, None)
        if record.cost is not None:
            self._took[record.spec.preset, record.spec.arm] = record.cost.seconds
        if worker is not None:
            del self.running[worker]

    def leave(self, worker: int) -> RunSpec:
        spec = self.running.pop(worker).spec
        self._unstarted[spec.key] = spec
        return spec

    def lines(self, workers: Iterable[int]) -> list[Line]:
        """A line for each worker, and one for all."""
        done, left = self.summary()
        return [
            *(self.running[worker].line() if worker in self.running else Line("idle") for worker in workers),
            Line(done, left=left),
        ]

    def summary(self) -> tuple[str, str]:
        """(runs done, time left)"""
        seconds = self._seconds_left()
        return f"{self.done} of {self.planned} runs done", "" if seconds is None else f"{duration(seconds)} left"

    def _expected(self, spec: RunSpec) -> float | None:
        """Seconds of a run: what was known beforehand, or else what the last one of its arm has taken."""
        return self._seconds.get(spec.key, self._took.get((spec.preset, spec.arm)))

    def _seconds_left(self) -> float | None:
        """Of all runs; one of an arm that nobody knows is taken to be as long as those that are known are on average.

        None if no run is known.
        """
        of_arms = {(run.spec.preset, run.spec.arm): run.left.whole() for run in self.running.values()}
        known = [self._expected(spec) or of_arms.get((spec.preset, spec.arm)) for spec in self._unstarted.values()]
        running = [run.left.seconds() for run in self.running.values()]
        every = [seconds for seconds in (*known, *of_arms.values(), *self._took.values()) if seconds is not None]
        if not every:
            return None if known or running else 0.0
        usual = fmean(every)
        left = [usual if seconds is None else seconds for seconds in running]
        waiting = sum(usual if seconds is None else seconds for seconds in known)
        return max([(sum(left) + waiting) / self._jobs, *left])


class Lines:
    """Plain lines for a log file: starts, switches of phase, a line now and then, results."""

    def __init__(self, work: Work, jobs: int, console: Console) -> None:
        self._board, self._console = _Board(work, jobs), console
        self._said: dict[int, tuple[str, float]] = {}
        self._pending: dict[int, float] = {}  # since when a worker is at what comes before training

    def started(self, worker: int, spec: RunSpec) -> None:
        """Say so."""
        self._board.start(worker, spec)
        self._said[worker] = "", time.monotonic()
        self.note(f"[{worker + 1}] {self._board.name(spec)} seed {spec.seed}: started")

    def reported(self, worker: int, report: Report) -> None:
        """Say so if the phase is new or nothing was said for a while; `passed` does of what comes before training."""
        self._board.report(worker, report)
        if not report.trains:
            self._pending.setdefault(worker, time.monotonic())
            return
        self._pending.pop(worker, None)
        self._say(worker, report)

    def _say(self, worker: int, report: Report) -> None:
        phase, when = self._said[worker]
        if report.phase != phase or time.monotonic() - when > LINE_EVERY:
            self._said[worker] = report.phase, time.monotonic()
            cells = astuple(self._board.running[worker].line())[:-1]
            self.note(f"[{worker + 1}] " + ", ".join(filter(None, cells)))

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """Give the result and the time left of everything."""
        if worker is not None:
            self._pending.pop(worker, None)
        self._board.end(worker, record)
        self.note(outcome(record, self._board.name(record.spec)))
        self.note(", ".join(filter(None, self._board.summary())))

    def left(self, worker: int, reason: str) -> None:
        """Say why."""
        spec = self._board.leave(worker)
        self._pending.pop(worker, None)
        self.note(f"[{worker + 1}] {self._board.name(spec)} seed {spec.seed}: {reason}")

    def note(self, text: str) -> None:
        """Print the line; where that cannot be, as on a full disk, the work goes on without it."""
        with suppress(OSError):
            self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def passed(self) -> None:
        """Say what takes a while before training."""
        for worker, since in self._pending.items():
            report = self._board.running[worker].report
            if report is not None and time.monotonic() - since > PATIENCE:
                self._say(worker, report)


class Live:
    """One line per worker and one for all, renewed in place; results scroll by above them."""

    def __init__(self, work: Work, jobs: int, display: Display) -> None:
        self._board, self._display = _Board(work, jobs), display
        self._workers = range(min(jobs, len(work.todo)))
        self.passed()

    def started(self, worker: int, spec: RunSpec) -> None:
        """Show the run on the worker's line."""
        self._board.start(worker, spec)
        self.passed()

    def reported(self, worker: int, report: Report) -> None:
        """Have the worker's line renewed, the next time."""
        self._board.report(worker, report)

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """Print the result above the display."""
        self._board.end(worker, record)
        self.note(outcome(record, self._board.name(record.spec)))
        self.passed()

    def left(self, worker: int, reason: str) -> None:
        """Print why above the display."""
        spec = self._board.leave(worker)
        self.note(f"{self._board.name(spec)} seed {spec.seed}: {reason}")
        self.passed()

    def note(self, text: str) -> None:
        """Print a line above the display."""
        self._display.note(text)

    def passed(self) -> None:
        """Renew the lines."""
        self._display.show(self._board.lines(self._workers))


@contextmanager
def shown(work: Work, jobs: int) -> Iterator[Progress]:
    """The display that suits stderr, for as long as the block lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(work, jobs, console)
        return
    with Display(console) as display:
        yield Live(work, jobs, display)


@contextmanager
def stages_shown() -> Iterator[None]:
    """What this process itself reads and makes is said on stderr: on a terminal in place, else where it is slow."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with heard(_SlowStages(console)):
            yield
        return
    clock = _StageClock()
    with (
        Display(console) as display,
        heard(
            lambda news: display.show([Line(news.name, left=clock.left(news, time.monotonic()), fraction=news.share)])
        ),
    ):
        yield


class _StageClock:
    """How long the stage that lasts will still last, by the pace since some of it was first known to be done."""

    def __init__(self) -> None:
        self._name, self._first = "", (0.0, 0.0)

    def left(self, news: Stage, now: float) -> str:
        """In words; "" while it is not known."""
        share, (done, since) = news.share or 0.0, self._first
        if news.name != self._name or not done or share < done:  # what was done before the counting is not its pace
            self._name, self._first = news.name, (share, now)
            return ""
        return f"{duration((now - since) * (1 - share) / (share - done))} left" if share > done else ""


class _SlowStages:
    """Prints a line for a stage that takes longer than `PATIENCE`, and now and then another."""

    def __init__(self, console: Console) -> None:
        self._console, self._clock = console, _StageClock()
        self._name, self._next = "", 0.0

    def __call__(self, news: Stage) -> None:
        now = time.monotonic()
        left = self._clock.left(news, now)
        if news.name != self._name:
            self._name, self._next = news.name, now + PATIENCE
        elif now > self._next:
            self._next = now + LINE_EVERY
            said = f"{news}, about {left}" if left else str(news)
            self._console.print(visible(said), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, if that is a terminal, for work that tells after each piece how many more are done."""
    console = Console(stderr=True)
    with Bars(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda more: bars.advance(task, more)
