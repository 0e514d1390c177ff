"""Searches as an engine's source of runs: the seeds of a trial one after another, several trials side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Literal

from pbgraph.errors import UsageError
from pbgraph.plans.search.ledger import Candidate, Ledger
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.results.tuning import Trial


@dataclass
class InProgress:
    """A trial, and the records of its runs so far.

    specs  of all its seeds, each after what it is paired with; none if its values do not go together
    """

    ledger: Ledger
    candidate: Candidate
    specs: tuple[RunSpec, ...]
    records: list[RunRecord] = field(default_factory=list)
    busy: bool = False

    @property
    def spec(self) -> RunSpec:
        """Of the run that is on."""
        return self.specs[len(self.records)]

    @property
    def scores(self) -> tuple[float, ...]:
        """Of the seeds that are over."""
        scores = (each[-1].selection.score for each in self.seeds if each[-1].selection is not None)
        return tuple(score for score in scores if score is not None)

    @property
    def seeds(self) -> list[tuple[RunRecord, ...]]:
        """The records of each seed that is over and did not fail: what the run is paired with, and the run."""
        good = [record for record in self.records if record.status == "finished"]
        each = len(self.specs) // max(len(self.ledger.search.seeds), 1)
        return list(zip(*(good[place::each] for place in range(each)), strict=False)) if each else []


class SearchSource:
    """Runs of all searches, in their order, as long as trials are missing.

    jobs  trials side by side
    over  called with each trial that is over
    """

    def __init__(self, ledgers: Sequence[Ledger], jobs: int, over: Callable[[Ledger, Trial], None]) -> None:
        self._ledgers, self._jobs, self._over = list(ledgers), jobs, over
        self.live: list[InProgress] = []

    @property
    def waiting(self) -> bool:
        """Whether trials are in progress, here or elsewhere, or missing."""
        return bool(self.live) or any(ledger.missing for ledger in self._ledgers)

    def take(self) -> RunSpec | None:
        """The next seed of a trial in progress, or the first of a new one."""
        idle = next((trial for trial in self.live if not trial.busy), None)
        if idle is None and len(self.live) < self._jobs:
            idle = self._begun()
        if idle is None:
            return None
        idle.busy = True
        return idle.spec

    def put_back(self, spec: RunSpec) -> None:
        """The worker of a run is gone."""
        self._trial(spec).busy = False

    def close(self, record: RunRecord) -> None:
        """A run is over, and with it perhaps its trial."""
        trial = self._trial(record.spec)
        trial.busy = False
        trial.records.append(record)
        if record.status == "failed" or record.selection is None:
            self._end(trial, "failed", f"seed {record.spec.seed}: {record.error}")
            return
        if record.spec.method != trial.ledger.search.arm.method:  # what the run of the seed is paired with
            return
        hopeless = trial.ledger.hopeless(trial.candidate.number, trial.scores)
        if len(trial.records) == len(trial.specs):
            self._end(trial, "finished")
        elif hopeless:
            self._end(trial, "pruned")

    def take_without_pair(self) -> tuple[RunSpec, str] | None:
        """None: no trial waits for another run."""
        return None

    def _trial(self, spec: RunSpec) -> InProgress:
        return next(trial for trial in self.live if trial.busy and trial.spec.key == spec.key)

    def _begun(self) -> InProgress | None:
        for ledger in self._ledgers:
            while (candidate := ledger.next()) is not None:
                try:
                    search = ledger.search
                    specs = tuple(spec for seed in search.seeds for spec in search.runs(candidate.values, seed))
                except UsageError as error:  # values that do not go together
                    self._finish(InProgress(ledger, candidate, ()), "failed", str(error))
                    continue
                trial = InProgress(ledger, candidate, specs)
                self.live.append(trial)
                return trial
        return None

    def _end(self, trial: InProgress, state: Literal["finished", "pruned", "failed"], reason: str = "") -> None:
        self.live.remove(trial)
        self._finish(trial, state, reason)

    def _finish(self, trial: InProgress, state: Literal["finished", "pruned", "failed"], reason: str = "") -> None:
        line = trial_line(trial, state, reason)
        trial.ledger.finish(line, trial.specs)
        self._over(trial.ledger, line)


def trial_line(trial: InProgress, state: Literal["finished", "pruned", "failed"], reason: str) -> Trial:
    """What is kept of a trial that is over."""
    search, values, scores = trial.ledger.search, trial.candidate.values, trial.scores
    spec = trial.specs[-1] if trial.specs else search.recipe
    origin = trial.records[-1].provenance if trial.records else None
    numerics = trial.seeds[-1][-1].provenance.numerics if trial.seeds else None
    costs = [[record.cost for record in seed if record.cost is not None] for seed in trial.seeds]
    return Trial(
        task=spec.task,
        model=spec.model,
        method=spec.method,
        preset=spec.preset,
        split=spec.split,
        metric=spec.metric,
        seeds=search.seeds,
        recipe=search.recipe.key,
        number=trial.candidate.number,
        state=state,
        config=values.config,
        settings=values.settings,
        changes=spec.changes if trial.specs else {**values.config, **values.settings},
        scores=scores,
        seconds=tuple(round(sum(cost.seconds for cost in seed), 3) for seed in costs),
        mean=mean(scores) if scores else None,
        parameters=costs[-1][-1].parameters if costs else None,
        reason=reason,
        versions=spec.versions,
        commit=origin.commit if origin else "",
        dirty=origin.dirty if origin else False,
        numerics=numerics.name if numerics else "",
    )
