"""What an engine is, what its processes say to each other, and in which order runs may start.

An engine maps `pbgraph.execution.runner.run` over the runs of a plan. It decides where and when, never what: the
records are the same on any engine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

from pbgraph.errors import PbgraphError
from pbgraph.results.records import RunRecord, RunSpec

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.methods.base import Report


@dataclass(frozen=True)
class Setup:
    """The first message to a worker. runner: the module whose `run` it calls."""

    runner: str
    options: RunOptions
    device: str


@dataclass(frozen=True)
class Stop:
    """To a worker: save the run in progress and leave it."""


@dataclass(frozen=True)
class Reported:
    """From a worker: where its run is."""

    report: Report


@dataclass(frozen=True)
class Warned:
    """From a worker: something for the log."""

    text: str


@dataclass(frozen=True)
class Done:
    """From a worker: its run is finished or failed, and its record is on disk."""

    record: RunRecord


@dataclass(frozen=True)
class Stopped:
    """From a worker: its run is saved, to be taken up another time."""


@dataclass(frozen=True)
class Broken:
    """From a worker: something outside the run is wrong (no data, a full disk), so no record was written."""

    error: PbgraphError


Message = Reported | Warned | Done | Stopped | Broken


class Progress(Protocol):
    """Whoever shows how the work goes; `worker` is a number from 0."""

    def started(self, worker: int, spec: RunSpec) -> None:
        """A worker takes up a run."""

    def reported(self, worker: int, report: Report) -> None:
        """A run is so far."""

    def ended(self, worker: int | None, record: RunRecord) -> None:
        """A run is finished or failed; without a worker, it was never started."""

    def left(self, worker: int, reason: str) -> None:
        """A run was given up without a record: it was interrupted, or its worker is gone."""

    def note(self, text: str) -> None:
        """A line for the user."""

    def passed(self) -> None:
        """Time went by, a quarter of a second at the most."""


class Engine(Protocol):
    """What does the runs that are left of a plan; see `pbgraph.execution.engines.local.run_all`."""

    def __call__(
        self, work: Work, options: RunOptions, *, jobs: int, device: str, progress: Progress
    ) -> list[RunRecord]:
        """The new records, as they came."""


class Source(Protocol):
    """Where an engine gets its runs from."""

    @property
    def waiting(self) -> object:
        """Truthy as long as there are, or may be, runs that were not taken yet."""

    def take(self) -> RunSpec | None:
        """The next run that may start now, or None."""

    def put_back(self, spec: RunSpec) -> None:
        """A run that was taken is to be started again."""

    def close(self, record: RunRecord) -> None:
        """A run is finished or failed."""

    def take_without_pair(self) -> tuple[RunSpec, str] | None:
        """A run that can never start, and the name of the failed run it is paired with."""


def named(spec: RunSpec) -> str:
    """A run, as messages name it."""
    return f"{spec.arm} seed {spec.seed}"


def names_of_failed(work: Work) -> dict[str, str]:
    """Key -> name, of the runs that failed and are not to be tried again."""
    return {key: named(record.spec) for key, record in work.failed.items()}


class Schedule:
    """The runs that are still to be started.

    A control waits for the run it is paired with: it is ready once that run is finished, and fails if that one failed.

    todo    runs in the order in which they should start
    failed  key -> name of runs that failed earlier
    """

    def __init__(self, todo: Sequence[RunSpec], failed: Mapping[str, str]) -> None:
        self.waiting = len(todo)
        self._failed = dict(failed)
        self._places = {spec.key: place for place, spec in enumerate(todo)}
        self._ready: list[tuple[int, int, RunSpec]] = []  # a heap; the second number tells those put back apart
        self._unpaired: deque[RunSpec] = deque()
        self._controls: dict[str, list[RunSpec]] = {}
        for spec in todo:
            pair = spec.control_of
            if pair in self._places and pair is not None:
                self._controls.setdefault(pair, []).append(spec)
            elif pair in self._failed:
                self._unpaired.append(spec)
            else:
                heappush(self._ready, (self._places[spec.key], 0, spec))
        self._put_back = 0

    @property
    def ready(self) -> bool:
        """Whether a run can be started, or written off, now."""
        return bool(self._ready or self._unpaired)

    def take(self) -> RunSpec | None:
        """The next run that may start now, or None."""
        if not self._ready:
            return None
        self.waiting -= 1
        return heappop(self._ready)[2]

    def put_back(self, spec: RunSpec) -> None:
        """A run that was taken is to be started again, before all others; or written off again."""
        self.waiting += 1
        self._put_back += 1
        if spec.control_of in self._failed:
            self._unpaired.append(spec)
        else:
            heappush(self._ready, (-1, -self._put_back, spec))

    def close(self, record: RunRecord) -> None:
        """A run has its record; what waits for it becomes ready, or is without its pair."""
        controls = self._controls.pop(record.key, [])
        if record.status == "failed":
            self._failed[record.key] = named(record.spec)
            self._unpaired.extend(controls)
            return
        for control in controls:
            heappush(self._ready, (self._places[control.key], 0, control))

    def leave(self, spec: RunSpec) -> None:
        """A run that was taken cannot be done, and has no record: nor can those that wait for it."""
        for control in self._controls.pop(spec.key, []):
            self.waiting -= 1
            self.leave(control)

    def take_without_pair(self) -> tuple[RunSpec, str] | None:
        """A run that can never start, and the name of the failed run it is paired with."""
        if not self._unpaired:
            return None
        self.waiting -= 1
        spec = self._unpaired.popleft()
        return spec, self._failed[spec.control_of or ""]
