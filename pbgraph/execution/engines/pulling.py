"""Runs that nobody else does, taken one by one from a results folder that any number of workers share.

A worker holds a lease on each run that it does (`pbgraph.results.leases`); what others hold it comes back to until that
has a record, or its holder is dead. Records are what a local engine would write: only who does which run is not said
beforehand. Should two do the same run after all, since a lease was lost, the first record stays.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.errors import DataError
from pbgraph.execution.engines.base import Progress, Schedule, Setup, names_of_failed
from pbgraph.execution.engines.local import run_schedule
from pbgraph.files.locks import is_held
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.leases import EVERY, Leases
from pbgraph.results.progress import RunProgress, read_progress
from pbgraph.results.record_file import read_record
from pbgraph.results.records import RunRecord, RunSpec

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.execution.fitting import RunOptions

PATIENCE = 900.0  # seconds after which a lock or part that a silent process holds is of a machine that is gone
LOOK = 2.0  # seconds between two looks at what others do, at the most; the mean, since they are drawn
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pulling:
    """How a worker shares the work; the engine of `work`.

    every    seconds between two beats of its leases
    seconds  after which it saves and gives back what it does; None: when all is done
    stays    whether it waits for what others do, to take over what they leave
    """

    every: float = EVERY
    seconds: float | None = None
    stays: bool = True

    def __call__(
        self,
        work: Work,
        options: RunOptions,
        *,
        jobs: int,
        device: str,
        progress: Progress,
        runner: str = "pbgraph.execution.runner",
    ) -> list[RunRecord]:
        """Do, of what is left of a plan, what nobody else does; returns the new records, those of others among them.

        Arguments and errors as of `pbgraph.execution.engines.local.run_all`; Interrupted when the time is up, too.
        """
        deadline = None if self.seconds is None else time.monotonic() + self.seconds
        results, others = ResultsFolder(options.results), list[RunRecord]()

        def heard(record: RunRecord) -> None:
            others.append(record)
            progress.ended(None, record)

        with Leases(results.leases_path, every=self.every) as leases:
            results.sweep(before=leases.clock() - PATIENCE)
            runs = PulledRuns(work, results, leases, stays=self.stays, heard=heard)
            setup = Setup(runner, replace(options, leased=True), device)
            mine = run_schedule(
                runs,
                setup,
                min(jobs, len(work.todo)),
                progress=progress,
                planned=len(work.todo),
                lost=leases.lost,
                deadline=deadline,
            )
        return [*mine, *others]


class PulledRuns:
    """An engine's source of runs: those of a plan that nobody else does, each under a lease.

    stays  whether there is work as long as others are at it
    heard  called with the record of each run that others have done
    """

    def __init__(
        self,
        work: Work,
        results: ResultsFolder,
        leases: Leases,
        *,
        stays: bool = True,
        heard: Callable[[RunRecord], object] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedule = Schedule(work.todo, names_of_failed(work))
        self._results, self._leases, self._stays = results, leases, stays
        self._heard, self._now = heard, now
        self._failures = results.failures(work.plan.task)
        self._elsewhere: list[RunSpec] = []
        self._said: dict[str, tuple[RunProgress | None, float]] = {}
        self._look = now()

    @property
    def waiting(self) -> object:
        """Truthy as long as runs can be taken; of one that stays, as long as others are at some."""
        return self._schedule.ready or (self._stays and (self._schedule.waiting or self._elsewhere))

    def take(self) -> RunSpec | None:
        """The next run that may start now and is this worker's from now on, or None."""
        for _ in range(2):
            while (spec := self._schedule.take()) is not None:
                if self._taken(spec):
                    return spec
            if not self._elsewhere or self._now() < self._look:
                return None
            self._look = self._now() + min(LOOK, self._leases.every) * random.uniform(0.5, 1.5)
            others, self._elsewhere = self._elsewhere, []
            for spec in others:
                self._schedule.put_back(spec)
        return None

    def put_back(self, spec: RunSpec) -> None:
        """A run that was taken is to be started again; whoever holds its lease by then starts it."""
        self._schedule.put_back(spec)

    def close(self, record: RunRecord) -> None:
        """A run has its record: its lease is given back."""
        self._leases.release(record.key)
        self._schedule.close(record)

    def take_without_pair(self) -> tuple[RunSpec, str] | None:
        """A run that can never start, whose failure this worker is to write down, and the name of what failed."""
        while (unpaired := self._schedule.take_without_pair()) is not None:
            if self._taken(unpaired[0]):
                return unpaired
        return None

    def _taken(self, spec: RunSpec) -> bool:
        """Whether the run is this worker's now; if not, it has a record, or is kept in mind as another's."""
        if self._is_over(spec):
            return False
        if self._is_locked(spec) or not self._leases.take(spec.key):
            self._elsewhere.append(spec)
            return False
        if self._is_over(spec):  # in the meantime
            self._leases.release(spec.key)
            return False
        return True

    def _is_over(self, spec: RunSpec) -> bool:
        """Whether somebody else has written its record since this worker began."""
        path = self._results.record_path(spec)
        if not os.path.lexists(path):
            path = self._results.failure_path(spec, self._failures.get(spec.key, 0) + 1)
            if not os.path.lexists(path):
                return False
        try:
            record = read_record(path)
        except DataError as error:
            return self._is_blocked(spec, path, str(error))
        self._schedule.close(record)
        self._heard(record)
        return True

    def _is_blocked(self, spec: RunSpec, path: Path, why: str) -> bool:
        """Whether what has come, and is no record, has the place of the finished one: then the run cannot be done."""
        log.warning("left out: %s", why)
        blocks = path == self._results.record_path(spec)
        if blocks:
            self._schedule.leave(spec)
        else:
            self._failures[spec.key] = self._failures.get(spec.key, 0) + 1
        return blocks

    def _is_locked(self, spec: RunSpec) -> bool:
        """Whether a process without leases is at it: one that holds its lock, and has not been silent for long."""
        if not is_held(self._results.lock_path(spec)):
            return False
        said = read_progress(self._results, spec.key)
        if spec.key not in self._said or self._said[spec.key][0] != said:
            self._said[spec.key] = said, self._now()
        return self._now() - self._said[spec.key][1] < PATIENCE
