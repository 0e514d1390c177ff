"""How searches go, on stderr: a line for every run and trial, and on a terminal what is being trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from pbgraph.execution.engines.display import Display, Line
from pbgraph.execution.engines.progress import line_of
from pbgraph.execution.engines.time_left import TimeLeft
from pbgraph.humanize import duration, figure
from pbgraph.metrics import scale_of
from pbgraph.plans.search.ledger import Ledger
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.tuning import Trial, best_of
from pbgraph.terminal import visible, visible_cell

if TYPE_CHECKING:
    from pbgraph.execution.engines.searching import SearchSource
    from pbgraph.methods.base import Report


class SearchProgress:
    """Lines as runs and trials end; on a terminal, one for each worker as well."""

    def __init__(
        self, ledgers: Sequence[Ledger], jobs: int, *, console: Console, display: Display | None = None
    ) -> None:
        self._ledgers, self._jobs, self._console, self._display = ledgers, jobs, console, display
        self._running: dict[int, tuple[RunSpec, TimeLeft, Report | None]] = {}
        self.source: SearchSource | None = None
        self._all = self._summary()

    def started(self, worker: int, spec: RunSpec) -> None:
        """Say so."""
        self._running[worker] = spec, TimeLeft(None), None
        if self._display is None:
            self.note(f"[{worker + 1}] {self._named(spec)}: started")

    def reported(self, worker: int, report: Report) -> None:
        """Have the worker's line renewed, the next time."""
        spec, left, _ = self._running[worker]
        if report.trains:
            left.update(report.fraction)
        self._running[worker] = spec, left, report

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """Nothing: `trial_over` says what a trial came to."""
        if worker is not None:
            del self._running[worker]

    def left(self, worker: int, reason: str) -> None:
        """Say why."""
        spec, *_ = self._running.pop(worker)
        self.note(f"[{worker + 1}] {spec.arm.plain} seed {spec.seed}: {reason}")

    def trial_over(self, ledger: Ledger, trial: Trial) -> None:
        """Say what it came to, the best so far, and how long the rest will take."""
        self._all = self._summary()
        done = ledger.trials()
        best = best_of(done, larger_is_better=ledger.search.larger_is_better)
        words = [outcome(trial), f"{duration(sum(trial.seconds))}"]
        if best is not None:
            words.append(f"best so far {_figure(best)} of trial {best.number}")
        words.append(f"about {duration(self._seconds_left())} left")
        head = f"{ledger.search.arm} trial {trial.number} ({len(done)} of {ledger.search.trials} done)"
        self.note(f"{head}: {', '.join(words)}")

    def note(self, text: str) -> None:
        """Print a line; where that cannot be, as on a full disk, the work goes on without it."""
        if self._display is not None:
            self._display.note(text)
            return
        with suppress(OSError):
            self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def passed(self) -> None:
        """Renew the lines of a terminal."""
        if self._display is not None:
            self._display.show(self._lines())

    def _named(self, spec: RunSpec) -> str:
        trials = self.source.live if self.source else ()
        number = next(
            (trial.candidate.number for trial in trials if spec.key in {each.key for each in trial.specs}), "-"
        )
        return f"{spec.arm.plain} trial {number} seed {spec.seed}"

    def _lines(self) -> list[Line]:
        lines = [
            Line(self._named(spec), epoch="starting")
            if report is None
            else replace(line_of(report, spec.metric), name=self._named(spec), left=_left(left))
            for spec, left, report in self._running.values()
        ]
        waiting = [] if lines else [Line("waiting for other processes")]
        return [*lines, *waiting, self._all]

    def _summary(self) -> Line:
        done, planned = sum(len(one.trials()) for one in self._ledgers), sum(one.search.trials for one in self._ledgers)
        seconds = self._seconds_left()
        return Line(f"{done} of {planned} trials done", left=f"about {duration(seconds)} left" if seconds else "")

    def _seconds_left(self) -> float:
        """The mean of the trials so far, for each that is missing; of an arm without any, the mean of all."""
        each = {ledger: [sum(trial.seconds) for trial in ledger.trials() if trial.seconds] for ledger in self._ledgers}
        known = [seconds for of_arm in each.values() for seconds in of_arm]
        usual = sum(known) / len(known) if known else 0.0
        return sum(
            ledger.missing * (sum(seconds) / len(seconds) if seconds else usual) for ledger, seconds in each.items()
        ) / max(self._jobs, 1)


def _left(of_run: TimeLeft) -> str:
    seconds = of_run.seconds()
    return "" if seconds is None else f"{duration(seconds)} left"


def outcome(trial: Trial) -> str:
    """What a trial came to, in words."""
    if trial.state == "failed":
        return f"FAILED: {visible_cell(trial.reason)}"
    return f"{_figure(trial)}" + (
        f", given up after {len(trial.scores)} of {len(trial.seeds)} seeds" if trial.state == "pruned" else ""
    )


def _figure(trial: Trial) -> str:
    return "-" if trial.mean is None else figure(trial.mean, scale_of(trial.metric, [trial.mean]))


@contextmanager
def search_shown(ledgers: Sequence[Ledger], jobs: int) -> Iterator[SearchProgress]:
    """The display that suits stderr, for as long as the block lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield SearchProgress(ledgers, jobs, console=console)
        return
    with Display(console) as display:
        yield SearchProgress(ledgers, jobs, console=console, display=display)
