"""The results of many runs on disk: which file is where, each written once.

    results/records/<task>/<key>.json          one finished run
    results/records/<task>/<key>.failed-1.json its failures, if any
    results/predictions/<task>/<key>.parquet   predictions of every test molecule
    results/tasks/<task>.json                  how a table of the user's is read, where it is one
    results/models/<task>/<key>/               the trained model, where it was asked for
    results/dendrites/<task>/<key>.zst         what its dendrites learnt, if it grew any; see pbgraph.insight and
                                               pbgraph.results.insight_file. Of earlier runs it is <key>.json
    results/.work/<key>.safetensors, .lock     checkpoint and lock of a run in progress; never committed
    results/.work/<key>.progress.json          how far it is, see pbgraph.results.progress
    results/.work/leases/                      who does which run, where many machines share the folder
    results/.work/first/                       what arms have in common: see pbgraph.methods.first_phase
    results/.work/pairs/                       runs that searches will need again: see pbgraph.results.pairs
    results/.trash/<time>/                     what `pbgraph.results.trash` moved there; nothing else looks into it

A record is written to a temporary file and linked into place: it is there whole or not at all, and is never
overwritten. Merging the results of two machines is copying files.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pbgraph.errors import DataError, PbgraphError
from pbgraph.files.writing import PART, new_file, sweep
from pbgraph.results import verified
from pbgraph.results.record_file import read_record, record_bytes
from pbgraph.results.records import RunRecord, RunSpec

log = logging.getLogger(__name__)


WORK, TRASH, ASIDE = ".work", ".trash", ".aside"  # hidden folders in one of results
WRITTEN_BY_RUNS = ("records", "predictions", "models", "dendrites")  # folders in one of results
INSIGHTS = (".zst", ".json")  # suffixes of what dendrites learnt, today's and earlier ones


@dataclass(frozen=True)
class ResultsFolder:
    """The results of many runs under one root folder."""

    root: Path

    def record_path(self, spec: RunSpec) -> Path:
        """Where the finished record goes."""
        return self.root / "records" / spec.task / f"{spec.key}.json"

    def failure_path(self, spec: RunSpec, number: int) -> Path:
        """Where the record of a failure goes; numbers are from 1."""
        return self.root / "records" / spec.task / f"{spec.key}.failed-{number}.json"

    def predictions_path(self, spec: RunSpec) -> Path:
        """Where the scores of single molecules go."""
        return self.root / "predictions" / spec.task / f"{spec.key}.parquet"

    def task_path(self, dataset: str) -> Path:
        """Where it is described how a table of the user's is read."""
        return self.root / "tasks" / f"{dataset}.json"

    def model_path(self, spec: RunSpec) -> Path:
        """The folder of the trained model."""
        return self.root / "models" / spec.task / spec.key

    def dendrites_path(self, spec: RunSpec) -> Path:
        """Where it is written what dendrites learnt."""
        return self.dendrites_paths(spec)[0]

    def dendrites_paths(self, spec: RunSpec) -> list[Path]:
        """Where that may be: where it is written today, then where it was."""
        return [self.root / "dendrites" / spec.task / f"{spec.key}{suffix}" for suffix in INSIGHTS]

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Where a run in progress saves its state; a method may use files beside it, named KEY.WORD.safetensors."""
        return self.root / WORK / f"{spec.key}.safetensors"

    def saved_state(self, key: str) -> list[Path]:
        """The files in which a run has saved its state, sorted; none if it has not, or is over."""
        return sorted((self.root / WORK).glob(f"{key}.*safetensors"))

    def drop_checkpoints(self, spec: RunSpec) -> None:
        """Delete what a run that is over has saved of its state, and of how far it was."""
        for path in (*self.saved_state(spec.key), self.progress_path(spec.key)):
            with suppress(IsADirectoryError, PermissionError):  # what is no checkpoint stays
                path.unlink(missing_ok=True)

    def progress_path(self, key: str) -> Path:
        """Where a run in progress says how far it is."""
        return self.root / WORK / f"{key}.progress.json"

    def locks(self) -> dict[str, Path]:
        """Key -> lock, of the runs that are in progress, or were when their process was killed."""
        return {path.stem: path for path in sorted((self.root / WORK).glob("*.lock"))}

    def lock_path(self, spec: RunSpec) -> Path:
        """The file that is locked while the run is being done."""
        return self.root / WORK / f"{spec.key}.lock"

    def check_writable(self) -> None:
        """Write and link a file as for a record, in all folders that are there; raises PbgraphError now rather than
        after hours of training.
        """
        kinds = (self.root / name for name in WRITTEN_BY_RUNS)
        for folder in (self.root, *filter(os.path.lexists, kinds)):
            probe = folder / f".writable-{secrets.token_hex(4)}{PART}"
            try:
                with new_file(probe):
                    pass
                probe.unlink(missing_ok=True)
            except OSError as error:
                raise PbgraphError(
                    f"results folder {folder} cannot be written ({error.strerror}); give another with --results DIR"
                ) from error

    def sweep(self, *, before: float = math.inf) -> None:
        """Delete what writers left that were killed, in this folder and those of its kinds of files and tasks.

        before  as of `pbgraph.files.writing.sweep`
        """
        sweep(self.root, before=before)
        for folder in _folders(self.root):
            if folder.name == TRASH:
                continue
            sweep(folder, before=before)
            for folder_of_dataset in _folders(folder):
                sweep(folder_of_dataset, before=before)

    def tasks(self) -> list[str]:
        """The tasks that there are records of, sorted."""
        return sorted(folder.name for folder in _folders(self.root / "records") if _record_files(folder))

    def runs(self) -> list[tuple[str, str]]:
        """(task, key) of all runs that there is a file of a record of, whatever is in it; sorted."""
        folders = _folders(self.root / "records")
        return [(folder.name, key) for folder in folders for key in sorted(_record_files(folder))]

    def finished_keys(self) -> set[str]:
        """Keys of the runs, of any task, that there is a file of a finished record of, whatever is in it."""
        folders = _folders(self.root / "records")
        return {key for folder in folders for key, files in _record_files(folder).items() if 0 in files}

    def record_files(self, dataset: str, key: str) -> list[Path]:
        """The files of a run's record: what is finished, and its failures."""
        return sorted(_record_files(self.root / "records" / dataset).get(key, {}).values())

    def record(self, dataset: str, key: str) -> RunRecord:
        """The finished record of a run, or else its last failure. Raises DataError if none can be read."""
        files = _record_files(self.root / "records" / dataset).get(key)
        if not files:
            raise DataError(f"{self.root} holds no record {key} of {dataset}; name one that 'runs {dataset}' lists")
        return read_record(_outcome_of(files))

    def finished(self, dataset: str, key: str) -> RunRecord | None:
        """The finished record with this key, or None. Raises DataError if there is something else in its place."""
        path = self.root / "records" / dataset / f"{key}.json"
        return read_record(path) if os.path.lexists(path) else None

    def failures(self, dataset: str) -> dict[str, int]:
        """Key -> the highest number of a failure, of the runs of a task that have failed."""
        found = {key: max(files) for key, files in _record_files(self.root / "records" / dataset).items()}
        return {key: number for key, number in found.items() if number}

    def write(self, record: RunRecord) -> Path:
        """Write a record once; a failure gets the next free number beside it."""
        path = self.record_path(record.spec)
        if record.status == "failed":
            path = self.failure_path(record.spec, self.failures(record.spec.task).get(record.key, 0) + 1)
        with new_file(path) as part:
            part.write_bytes(record_bytes(record))
        return path

    def write_first(self, record: RunRecord) -> RunRecord:
        """Write a record, unless the run is finished by now, or its next failure written; returns the one that stands.

        Several machines may have done one run. Raises DataError if what came first is no record.
        """
        if (earlier := self.finished(record.spec.task, record.key)) is not None:
            return earlier
        try:
            self.write(record)
        except FileExistsError:
            return self.record(record.spec.task, record.key)
        return record

    @property
    def first_phases_path(self) -> Path:
        """The folder of first neuron phases, see `pbgraph.methods.first_phase`."""
        return self.root / WORK / "first"

    @property
    def pairs_path(self) -> Path:
        """The folder of runs that searches will need again, see `pbgraph.results.pairs`."""
        return self.root / WORK / "pairs"

    @property
    def leases_path(self) -> Path:
        """The folder of leases on runs, see `pbgraph.results.leases`."""
        return self.root / WORK / "leases"

    def records(self, dataset: str) -> list[RunRecord]:
        """All finished records of a task, and the last failure of each run that never finished.

        What is no record costs a warning that names it, and is left out.
        """
        folder = self.root / "records" / dataset
        with _collector_paused(), verified.reader(folder, read_record) as read:
            return list(_readable(_record_files(folder, said=True), read))


def _readable(runs: Mapping[str, Mapping[int, Path]], read: Callable[[Path], RunRecord]) -> Iterator[RunRecord]:
    for _, files in sorted(runs.items()):
        try:
            yield read(_outcome_of(files))
        except DataError as error:
            log.warning("left out: %s", error)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for cycles of objects: records have none, and thousands would be looked through again and again."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; none if it is no folder."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []


def _record_files(folder: Path, *, said: bool = False) -> dict[str, dict[int, Path]]:
    """Key -> number of the failure, 0 for what is finished -> file, of the files named as records are.

    said  whether other names of JSON files cost a warning; those that start with a dot are of other programs
    """
    files: dict[str, dict[int, Path]] = {}
    names: list[str] = []
    with suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    for name in names:
        match = re.fullmatch(r"([^.]+)(?:\.failed-([0-9]{1,9}))?\.json", name)
        if match is not None:
            files.setdefault(match[1], {})[int(match[2] or 0)] = folder / name
        elif said and name.endswith(".json"):
            log.warning("left out: %s is not named as a record is, KEY.json or KEY.failed-1.json", folder / name)
    return files


def _outcome_of(files: Mapping[int, Path]) -> Path:
    """Of a run's files, that of the finished record, or else of its last failure."""
    return files[0] if 0 in files else files[max(files)]
