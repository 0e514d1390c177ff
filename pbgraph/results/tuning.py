"""What a search has tried: one line of JSON for each trial, in results/tuning/<task>/<model>-<method>.jsonl.

A line is written once, in one piece, when its trial is over; lines are only ever added. They are what a search knows:
whatever else it keeps beside them can be deleted. A last line that breaks off is what a writer left that was killed; it
is no trial, and goes when the next line is written.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Literal

from pbgraph.files.hashing import Scalar, canonical_json
from pbgraph.files.locks import exclusive
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes

FOLDER = "tuning"
LARGEST = 256 * MEBIBYTE
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One line: settings that were tried, and the validation scores they came to.

    recipe      key of the preset's own recipe for this arm, with what was fixed for the whole search, of seed 0: lines
                that share it and the seeds belong to one search
    seeds       of split and initialisation: those of the search, in its order
    number      from 0, the recipe
    config, settings  the values of what was searched, by field
    changes     what differs from the preset's recipe, as `RunSpec.changes` has it
    scores      on the validation rows, of the seeds that were run, in the metric's own unit; seconds: of the same runs,
                of a control with the run that it is paired with
    mean        of the scores; None where there is none
    state       "pruned": given up after some of the seeds, its mean being worse than most others'; reason: of a failure
    versions    of the components, as `RunSpec.versions` has them
    numerics    name of the numeric platform
    """

    task: str
    model: str
    method: str
    preset: str
    split: str
    metric: str
    seeds: tuple[int, ...]
    recipe: str
    number: int
    state: Literal["finished", "pruned", "failed"]
    config: Mapping[str, Scalar] = field(default_factory=dict)
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    changes: Mapping[str, Scalar] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    mean: float | None = None
    parameters: int | None = None
    reason: str = ""
    versions: Mapping[str, int | str] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False
    numerics: str = ""


def trials_path(results: Path, dataset: str, *, model: str, method: str) -> Path:
    """Where the trials of an arm are."""
    return results / FOLDER / dataset / f"{model}-{method}.jsonl"


def problem(trial: Trial, path: Path) -> str | None:
    """What is wrong with a trial's facts taken together, or None."""
    if (
        path.name != trials_path(Path(), trial.task, model=trial.model, method=trial.method).name
        or path.parent.name != trial.task
    ):
        return f"it is of {trial.model}/{trial.method} on {trial.task}, and belongs to another file"
    if len(trial.scores) != len(trial.seconds) or len(trial.scores) > len(trial.seeds) or trial.number < 0:
        return "its scores, seconds and seeds do not fit together"
    if trial.mean != (mean(trial.scores) if trial.scores else None):
        return "its mean is not that of its scores"
    if (trial.state == "finished") != (len(trial.scores) == len(trial.seeds)):
        return f"it is {trial.state} with {len(trial.scores)} scores on {len(trial.seeds)} seeds"
    return None


def read_trials(path: Path) -> list[Trial]:
    """The trials in a file, in its order; none if there is no file.

    A line that is no trial costs a warning that names it, and is left out. Raises UnreadableError if the file as a
    whole cannot be read.
    """
    if not os.path.lexists(path):
        return []
    return [trial for trial, _ in _checked(path, warn=True) if trial is not None]


def wrong_lines(path: Path) -> list[str]:
    """What is wrong with the lines of a file, each named by its number."""
    return [wrong for _, wrong in _checked(path, warn=False) if wrong]


def _checked(path: Path, *, warn: bool) -> Iterator[tuple[Trial | None, str]]:
    """(trial, "") or (None, what is wrong) of every line."""
    for number, line in enumerate(read_bytes(path, LARGEST).splitlines(keepends=True), start=1):
        trial, wrong = _parsed(line, path)
        if wrong and warn:
            log.warning("left out: %s, line %d: %s", path, number, wrong)
        yield trial, f"line {number}: {wrong}" if wrong else ""


def _parsed(line: bytes, path: Path) -> tuple[Trial | None, str]:
    if not line.endswith(b"\n"):
        return None, "it breaks off: whoever wrote it was stopped"
    try:
        trial = decoded(line, Trial)
    except UnreadableError as error:
        return None, f"it is no trial: {error}"
    wrong = problem(trial, path)
    return (None, wrong) if wrong else (trial, "")


def append_trial(path: Path, trial: Trial) -> None:
    """Add a line, whole and on disk; what an earlier writer did not finish is cut off first."""
    line = canonical_json(trial) + b"\n"
    with writing(path):
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        try:
            _cut_torn_end(held, path)
            if os.write(held, line) != len(line):
                raise OSError(f"{path} could not be written as a whole")
            os.fsync(held)
        finally:
            os.close(held)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Nobody else writes this file of trials meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path.with_name(f".{path.name}.lock")):
        yield


def _cut_torn_end(held: int, path: Path) -> None:
    size = os.fstat(held).st_size
    tail = os.pread(held, size, 0) if size else b""
    whole = tail.rfind(b"\n") + 1
    if whole < size:
        log.warning("%s: its last line breaks off, and is dropped", path)
        os.ftruncate(held, whole)


def of_search(trials: Sequence[Trial], recipe: str, seeds: Sequence[int]) -> dict[int, Trial]:
    """Number -> trial, of one search; where a number occurs twice, as after files were joined, the first of them."""
    by_number: dict[int, Trial] = {}
    for trial in trials:
        if trial.recipe == recipe and trial.seeds == tuple(seeds):
            by_number.setdefault(trial.number, trial)
    return by_number


def searches_in(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials of each search, by number: of one arm by one recipe, on one split and the same seeds."""
    groups: dict[tuple[str, str, str, str, str, tuple[int, ...]], None] = {}
    for trial in trials:
        groups[trial.model, trial.method, trial.preset, trial.split, trial.recipe, trial.seeds] = None
    found = []
    for model, method, preset, split, recipe, seeds in sorted(groups):
        mine = [
            one for one in trials if (one.model, one.method, one.preset, one.split) == (model, method, preset, split)
        ]
        by_number = of_search(mine, recipe, seeds)
        found.append([by_number[number] for number in sorted(by_number)])
    return found


def best_of(trials: Sequence[Trial], *, larger_is_better: bool) -> Trial | None:
    """The finished trial with the best mean; of equal ones, the first."""
    finished = [trial for trial in trials if trial.state == "finished" and trial.mean is not None]
    sign = 1.0 if larger_is_better else -1.0
    return max(finished, key=lambda trial: (sign * (trial.mean or 0.0), -trial.number), default=None)


@dataclass(frozen=True)
class Budget:
    """How many settings of an arm were tried, by which recipe and on which split and seeds.

    featuriser  version of what it saw: that of features joined by + is made of theirs, and so tells them apart
    """

    task: str
    model: str
    method: str
    preset: str
    split: str
    featuriser: str
    seeds: tuple[int, ...]
    trials: int


def budgets(results: Path) -> list[Budget]:
    """Of all searches in a results folder; a file that cannot be read costs a warning."""
    counts: Counter[tuple[str, str, str, str, str, str, tuple[int, ...]]] = Counter()
    for path in trials_files(results):
        try:
            trials = read_trials(path)
        except UnreadableError as error:
            log.warning("left out: %s: %s", path, error)
            continue
        counts.update(
            (one.task, one.model, one.method, one.preset, one.split, str(one.versions.get("featuriser", "")), one.seeds)
            for one in trials
        )
    return [Budget(*what, trials) for what, trials in sorted(counts.items())]


def trials_files(results: Path) -> list[Path]:
    """Every file of trials in a results folder."""
    return sorted(path for path in (results / FOLDER).glob("*/*.jsonl") if not path.name.startswith("."))
