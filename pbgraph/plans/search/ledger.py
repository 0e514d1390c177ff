"""What a search has done and is doing, shared by all processes that work on it.

    results/tuning/<task>/<model>-<method>.jsonl           the trials that are over: see `pbgraph.results.tuning`
    results/tuning/<task>/.work/<search>.journal           Optuna's journal, where the trials in progress are as well
    results/tuning/<task>/.work/<search>.lock              held for a moment, while either is read or written
    results/tuning/<task>/.work/<search>-<number>.lock     held by the process that does this trial, as long as it lives

The first is what counts: the journal is made from it anew where it lacks something, is damaged, or was deleted. A trial
in progress whose lock nobody holds is taken over, under its number and with its settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from pbgraph.errors import UsageError
from pbgraph.files.hashing import Scalar, canonical_json, sha256
from pbgraph.files.locks import exclusive, try_exclusive
from pbgraph.files.reading import UnreadableError
from pbgraph.methods.base import is_read
from pbgraph.plans.search.sampling import STARTUP, as_parameters, as_values, direction, distributions, propose, quiet
from pbgraph.plans.search.search import Search, Values
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.pairs import drop
from pbgraph.results.records import RunSpec
from pbgraph.results.tuning import Trial, append_trial, best_of, of_search, read_trials, trials_path

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

LOOK_EVERY = 1.0  # seconds between two looks at what other processes do


@dataclass(frozen=True)
class Candidate:
    """Settings to be tried, under the number that their trial will have."""

    number: int
    values: Values


class Ledger:
    """One search in one results folder. Holds locks: `close` gives them back.

    exhausted  whether every setting of a small space has been tried
    """

    def __init__(self, search: Search, results: Path) -> None:
        self.search = search
        self.path = trials_path(results, search.dataset.name, model=search.arm.model, method=search.arm.method)
        name = sha256(canonical_json((search.recipe.key, search.seeds)))[:12]
        self._work = self.path.parent / ".work" / f"{self.path.stem}-{name}"
        self._pairs = ResultsFolder(results).pairs_path
        self._held: dict[int, Callable[[], None]] = {}
        self._looked, self.exhausted = float("-inf"), False

    def trials(self) -> list[Trial]:
        """Those that are over, by number."""
        trials = of_search(_read(self.path), self.search.recipe.key, self.search.seeds)
        return [trials[number] for number in sorted(trials)]

    @property
    def missing(self) -> int:
        """How many trials are still to be done, those in progress among them."""
        return 0 if self.exhausted else max(self.search.trials - len(self.trials()), 0)

    def next(self) -> Candidate | None:
        """What this process is to try now, or None: all is done, or other processes are doing the rest."""
        if self.exhausted or time.monotonic() - self._looked < LOOK_EVERY:
            return None
        with self._opened() as (study, done):
            running = [trial for trial in _trials(study) if not trial.state.is_finished()]
            if len(done) < self.search.trials:
                for trial in running:
                    if trial.number not in self._held and self._take(trial.number):
                        return self._candidate(trial)
            if len(done) + len(running) < self.search.trials:
                return self._new(study)
        self._looked = time.monotonic()
        return None

    def hopeless(self, number: int, scores: Sequence[float]) -> bool:
        """Note the scores of a trial so far; whether it is not worth its other seeds.

        That is where the best of its means so far is worse than most others' means after as many seeds (Optuna's median
        pruner), or its mean than the best trial's on the same seeds by more than that trial's standard deviation over
        seeds. The recipe, to which all are compared, is done to its end.
        """
        with self._opened() as (study, done):
            trial = _trial(study, number)
            if trial is None:
                return False
            trial.report(mean(scores), step=len(scores) - 1)
            if number == 0 or len(scores) == len(self.search.seeds):
                return False
            return self._far_behind(scores, list(done.values())) or trial.should_prune()

    def _far_behind(self, scores: Sequence[float], done: Sequence[Trial]) -> bool:
        best = best_of(done, larger_is_better=self.search.larger_is_better)
        if best is None:
            return False
        ahead = mean(best.scores[: len(scores)]) - mean(scores)
        return (ahead if self.search.larger_is_better else -ahead) > stdev(best.scores)

    def finish(self, trial: Trial, runs: Sequence[RunSpec] = ()) -> None:
        """A trial is over: of its runs, those are kept that controls read."""
        append_trial(self.path, trial)
        for spec in runs:
            if not is_read(spec.method):
                drop(self._pairs, spec.key)
        with self._opened():
            pass  # tells the study what the line says
        self._give_back(trial.number)
        self._looked = float("-inf")

    def close(self) -> None:
        """Leave the trials in progress to whoever comes next."""
        for number in list(self._held):
            self._give_back(number)

    def _give_back(self, number: int) -> None:
        self._held.pop(number, lambda: None)()

    def _take(self, number: int) -> bool:
        given_back = try_exclusive(self._work.with_name(f"{self._work.name}-{number}.lock"))
        if given_back is not None:
            self._held[number] = given_back
        return given_back is not None

    def _candidate(self, trial: FrozenTrial) -> Candidate:
        return Candidate(trial.number, as_values(self.search, trial.params) if trial.number else self.search.start)

    def _new(self, study: Study) -> Candidate | None:
        from optuna.trial import TrialState, create_trial

        while not self._take(number := len(_trials(study))):  # of a process that the journal does not know of
            study.add_trial(create_trial(state=TrialState.FAIL))
        parameters = propose(self.search, _trials(study))
        if parameters is None:
            self._give_back(number)
            self.exhausted = True
            return None
        study.add_trial(self._begun(parameters))
        return self._candidate(_trials(study)[number])

    def _begun(self, parameters: dict[str, Scalar]) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        return create_trial(state=TrialState.RUNNING, params=parameters, distributions=distributions(self.search))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Study, dict[int, Trial]]]:
        """The study, which knows all trials that are over, and those by number; no other process has it meanwhile."""
        self._work.parent.mkdir(parents=True, exist_ok=True)
        with quiet(), exclusive(self._work.with_name(f"{self._work.name}.lock"), every=0.02):
            done = {trial.number: trial for trial in self.trials()}
            yield self._study(done), done

    def _study(self, done: dict[int, Trial]) -> Study:
        journal = self._work.with_name(f"{self._work.name}.journal")
        with suppress(Exception):  # whatever is wrong with it: it is made anew
            study = self._load(journal)
            if self._agrees(study, done):
                return study
        journal.unlink(missing_ok=True)
        study = self._load(journal)
        study.add_trials([self._frozen(number, done.get(number)) for number in range(max(done, default=-1) + 1)])
        return study

    def _load(self, journal: Path) -> Study:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        held: Any = _HeldAlready()
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), lock_obj=held)),
            study_name=self._work.name,
            direction=direction(self.search),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
            load_if_exists=True,
        )

    def _agrees(self, study: Study, done: dict[int, Trial]) -> bool:
        """Whether a study says the same as the lines; one that has not been told yet of a trial that is over, is."""
        from optuna.trial import TrialState

        states = {trial.number: trial.state for trial in _trials(study)}
        for number, trial in done.items():
            if states.get(number) == TrialState.RUNNING:
                study.tell(number, trial.mean if trial.state == "finished" else None, _state(trial))
            elif states.get(number) != _state(trial):
                return False
        ranges = distributions(self.search)
        return all(
            (number in done or state in (TrialState.RUNNING, TrialState.FAIL))
            and trial.distributions in ({}, ranges)  # else the space was another one
            for (number, state), trial in zip(states.items(), _trials(study), strict=True)
        )

    def _frozen(self, number: int, trial: Trial | None) -> FrozenTrial:
        """A line as Optuna has it; None: there is none of this number. The recipe is then to be done all the same."""
        from optuna.trial import TrialState, create_trial

        if trial is None and number == 0:
            return self._begun(as_parameters(self.search, self.search.start))
        if trial is None:
            return create_trial(state=TrialState.FAIL)
        return create_trial(
            state=_state(trial),
            value=None if trial.state == "failed" else trial.mean,
            params=as_parameters(self.search, Values(trial.config, trial.settings)),
            distributions=distributions(self.search),
            intermediate_values={step: mean(trial.scores[: step + 1]) for step in range(len(trial.scores))},
        )


def _state(trial: Trial) -> Any:
    from optuna.trial import TrialState

    return {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[trial.state]


def _read(path: Path) -> list[Trial]:
    try:
        return read_trials(path)
    except UnreadableError as error:
        raise UsageError(f"{path} cannot be read ({error}); move it away, or give another --results") from error


def _trials(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)


def _trial(study: Study, number: int) -> Any:
    """A trial in progress; None if the journal was made anew since it began."""
    from optuna.trial import Trial as Asked

    trials = [trial for trial in _trials(study) if trial.number == number and not trial.state.is_finished()]
    return Asked(study, trials[0]._trial_id) if trials else None


class _HeldAlready:
    """The lock of a journal that is read and written under a lock anyway."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None
