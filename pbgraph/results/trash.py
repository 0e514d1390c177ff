"""Runs that are not wanted any more, moved to ``RESULTS/.trash/<time>/`` with all that belongs to them.

Files keep their paths relative to the results folder, and the record of a run goes last: whoever is killed between two
moves has lost nothing, and does the same again to have the rest moved, or puts back what was moved by copying
``.trash/<time>`` over the results folder. Nothing else looks into the folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from pbgraph.errors import UsageError
from pbgraph.files.locks import exclusive
from pbgraph.results.folder import TRASH, WORK, WRITTEN_BY_RUNS, ResultsFolder
from pbgraph.results.leases import beats, leased
from pbgraph.results.progress import in_progress, read_progress

Run = tuple[str, str]  # task and key
LOOKS = 5  # at a lock that another process holds, before a run counts as running


@dataclass(frozen=True)
class Dependent:
    """A run that needs one that is to be moved, whose key is `needs`. name: its arm and seed; how: it needs it."""

    task: str
    key: str
    name: str
    needs: str
    running: bool = False
    how: str = "paired with"


def dependents(results: ResultsFolder, runs: Collection[Run]) -> list[Dependent]:
    """The controls and averages of these runs, and those of these in turn; not the runs."""
    controls = _closure(runs, _paired_with(results, runs))
    return sorted(controls.values(), key=lambda control: (control.task, control.name, control.key))


def _paired_with(results: ResultsFolder, runs: Iterable[Run]) -> dict[Run, list[Dependent]]:
    """Run -> its controls and averages, of all runs of the tasks of these."""
    paired: dict[Run, list[Dependent]] = {}
    for dataset in sorted({dataset for dataset, _ in runs}):
        for control in _paired(results, dataset):
            paired.setdefault((dataset, control.needs), []).append(control)
    return paired


def _closure(runs: Collection[Run], paired: Mapping[Run, Iterable[Dependent]]) -> dict[Run, Dependent]:
    controls: dict[Run, Dependent] = {}
    wanted = list(runs)
    while wanted:
        for control in paired.get(wanted.pop(), ()):
            run = (control.task, control.key)
            if run not in controls and run not in runs:
                controls[run] = control
                wanted.append(run)
    return controls


def _paired(results: ResultsFolder, dataset: str) -> Iterator[Dependent]:
    """Every control of a task, those with a record and those that are running now; and every average, for each run."""
    for record in results.records(dataset):
        spec, name = record.spec, f"{record.spec.arm} seed {record.spec.seed}"
        if spec.control_of is not None:
            yield Dependent(dataset, record.key, name, spec.control_of)
        for key in record.provenance.mean_of:
            yield Dependent(dataset, record.key, name, key, how="an average of")
    for key in in_progress(results):
        said = read_progress(results, key)
        if said is not None and said.task == dataset and said.control_of is not None:
            yield Dependent(dataset, key, f"{said.arm} seed {said.seed}", said.control_of, running=True)


def move_to_trash(results: ResultsFolder, runs: Iterable[Run], *, now: float | None = None) -> tuple[Path, list[Path]]:
    """Move runs away, all of them or none; returns the folder where they are, and what was moved, relative to both.

    now  seconds since 1970, if it is not now
    Raises UsageError if one of them is running; OSError, with everything back in its place, if a file cannot be moved.
    """
    runs = list(dict.fromkeys(runs))
    with ExitStack() as stack:
        for _, key in runs:
            stack.enter_context(_not_running(results, key))
        paired = _paired_with(results, runs)
        runs.sort(key=lambda run: len(_closure([run], paired)))  # a control goes before the run that it needs
        files = [path.relative_to(results.root) for run in runs for path in files_of(results, *run)]
        trash = _new_folder(results.root / TRASH, time.time() if now is None else now)
        _move(files, results.root, trash)
    return trash, files


def files_of(results: ResultsFolder, dataset: str, key: str) -> list[Path]:
    """All that belongs to a run, its record last."""
    companions = [
        path
        for kind in WRITTEN_BY_RUNS[1:]
        for path in sorted((results.root / kind / dataset).glob(f"{escape(key)}*"))
        if path.name.split(".", 1)[0] == key
    ]
    state = [*results.saved_state(key), *filter(os.path.lexists, [results.progress_path(key)])]
    return [*companions, *state, *results.record_files(dataset, key)]


@contextmanager
def _not_running(results: ResultsFolder, key: str) -> Iterator[None]:
    """Hold the lock of a run, so that nobody begins it. Raises UsageError if another process holds it."""
    lock = results.root / WORK / f"{key}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    looks = iter(range(LOOKS))

    def give_up() -> None:
        if next(looks, None) is None:
            raise UsageError(f"run {key} is running; stop it first, or wait until it is done. Nothing was moved")

    if (worker := leased(results.leases_path).get(key)) and beats(results.leases_path, worker, now=time.time()):
        raise UsageError(f"run {key} is running elsewhere; stop it first, or wait until it is done. Nothing was moved")
    with exclusive(lock, give_up):
        yield


def _new_folder(parent: Path, now: float) -> Path:
    """A folder of this second's name, or that name with a number."""
    name = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(now))
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _move(files: Iterable[Path], root: Path, trash: Path) -> None:
    """Move files from one folder to the other; on any error, and on Ctrl-C, those that were moved go back."""
    moved: list[Path] = []
    try:
        for file in files:
            (trash / file).parent.mkdir(parents=True, exist_ok=True)
            moved.append(file)
            os.rename(root / file, trash / file)
    except BaseException:
        for file in reversed(moved):
            if os.path.lexists(trash / file):
                os.rename(trash / file, root / file)
        _drop_empty(trash)
        raise


def _drop_empty(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            os.rmdir(path)


def check_dependents(controls: Iterable[Dependent]) -> None:
    """Raises UsageError, naming them, if runs that stay need runs that go."""
    named = [f"{control.key} ({control.name}), {control.how} {control.needs}" for control in controls]
    if named:
        raise UsageError(
            f"nothing was moved, since other runs depend on these: {'; '.join(named)}. Name them too, or move them as "
            "well with --with-dependents"
        )
