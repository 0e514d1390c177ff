"""Runs on disk: what was asked (RunSpec), what came out (RunRecord), and files written once.

    results/records/<task>/<key>.json          one finished run
    results/records/<task>/<key>.failed-1.json its failures, if any
    results/predictions/<task>/<key>.parquet   scores of every validation and test molecule
    results/tasks/<task>.json                  how a table of the user's is read, where it is one
    results/models/<task>/<key>/               the trained model, where it was asked for
    results/dendrites/<task>/<key>.json        what its dendrites learnt, if it grew any; see pbgraph.insight
    results/.work/<key>.safetensors, .lock     checkpoint and lock of a run in progress; never committed

A record is written to a temporary file and linked into place: it is there whole or not at all, and is never
overwritten. Merging the results of two machines is copying files.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.errors import DataError, PbgraphError
from pbgraph.files import PART, new_file, sweep
from pbgraph.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.record_checks import problem

SCHEMA = 2
LARGEST_RECORD = 64 * MEBIBYTE
log = logging.getLogger(__name__)
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class RunSpec:
    """All that determines a run's result on the CPU; its key names the record.

    split_seed    None for a deterministic split
    seed          of initialisation, shuffling, dropout and dendrites
    featuriser    registered name; the model's own unless the preset asks for another
    preset        name of the recipe the settings came from
    model_config, settings  resolved: every field of the model's config and of the method's settings
    versions      of "task", "split", "featuriser", "model", "method", "metric"; and the SHA-256 of every file that the
                  model is built from, under "model file NAME"
    control_of    key of the run a control is paired with
    """

    task: str
    split: str
    split_seed: int | None
    model: str
    method: str
    seed: int
    metric: str
    featuriser: str
    preset: str
    model_config: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]
    versions: Mapping[str, int | str]
    control_of: str | None = None

    @cached_property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        return sha256(canonical_json(self))[:16]

    @property
    def arm(self) -> str:
        """ "model/method", the name of the row it belongs to."""
        return f"{self.model}/{self.method}"


@dataclass(frozen=True)
class Epoch:
    """One line of a run's history.

    phase       "neuron" or "dendrite"
    train_loss  mean over batches; valid the selection metric, in its own unit and direction
    dendrites   accepted dendrites per site in the network that was scored
    score       mean normalised candidate score over sites, in the dendrite phase
    """

    epoch: int
    phase: str
    dendrites: int
    train_loss: float | None
    valid: float | None
    learning_rate: float
    score: float | None = None


@dataclass(frozen=True)
class TaskScore:
    """Scores of one task in one split.

    metrics    name -> value of every metric registered for the task's kind; None where it is undefined
    labelled   measured rows
    positives  of classification: rows with label 1
    sd         of regression: standard deviation of the measured targets; None if there is none
    """

    metrics: Mapping[str, float | None]
    labelled: int
    positives: int | None = None
    sd: float | None = None


@dataclass(frozen=True)
class SplitScore:
    """Scores of one split: per task, and of each metric the mean over the tasks where it is defined."""

    size: int
    metrics: Mapping[str, float | None]
    tasks: Mapping[str, TaskScore]

    def undefined(self, metric: str) -> tuple[str, ...]:
        """The tasks that the mean of this metric leaves out."""
        return tuple(name for name, task in self.tasks.items() if task.metrics.get(metric) is None)


@dataclass(frozen=True)
class Selection:
    """How the reported network was chosen, and what the selection metric was on validation rows."""

    rule: str
    epoch: int
    score: float | None


@dataclass(frozen=True)
class Cost:
    """seconds of wall time over all sittings; peak resident bytes of the worker; sittings > 1 if resumed."""

    parameters: int
    epochs: int
    seconds: float
    peak_memory_bytes: int
    sittings: int


@dataclass(frozen=True)
class Rejected:
    """A row of the data set that was left out, and why."""

    row: int
    mol_id: str
    reason: str


@dataclass(frozen=True)
class Source:
    """The code of one import package, as it was when a run began.

    distribution, version  under which it is installed; "" if it is of none
    sha256         of its code files, see `pbgraph.origins`; "" if none can be read
    commit, dirty  of the checkout it is in, or was installed from; "" if there is none
    note           what could not be found out, and why; "" if nothing
    """

    distribution: str
    version: str
    sha256: str
    commit: str = ""
    dirty: bool = False
    note: str = ""

    def __str__(self) -> str:
        name = f"{self.distribution or 'no distribution'} {self.version}".strip()
        files = f"files {self.sha256[:12]}" if self.sha256 else f"files unknown ({self.note})"
        commit = f", commit {self.commit[:12]}{'*' * self.dirty}" if self.commit else ""
        return f"{name}, {files}{commit}"


@dataclass(frozen=True)
class NumericPlatform:
    """By what a run's numbers were computed. See `pbgraph.numerics`.

    On a CPU, with equal fields and equal versions of `Provenance.packages` and `libraries`, they are equal bit for bit.

    name      "x86-64-avx2" for workers on any such processor; else the architecture and its loops, or the GPU
    products  library of matrix products, its version and kernels
    loops     torch's capability: AVX2, AVX512, NEON, DEFAULT, ...
    kernels   Numba's version and target, or why its kernels are not used
    threads   of torch
    torch     its version with the build
    libm      the C library, whose exp and log kernels call
    probe     digest of operations computed by that process
    """

    name: str
    products: str
    loops: str
    kernels: str
    threads: int
    torch: str
    libm: str
    probe: str

    @property
    def described(self) -> str:
        """In words, all but the probe.

        >>> NumericPlatform("x86-64-avx2", "OpenBLAS 0.3.30 Haswell", "AVX2", "Numba 0.68.1 haswell", 1,
        ...                 "2.13.0+cpu", "glibc 2.36", "c678b72eca7b").described
        'x86-64-avx2: OpenBLAS 0.3.30 Haswell, torch 2.13.0+cpu AVX2, Numba 0.68.1 haswell, glibc 2.36, 1 thread'
        """
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.name}: {self.products}, torch {self.torch} {self.loops}, {self.kernels}, {self.libm}, {threads}"


@dataclass(frozen=True)
class Provenance:
    """Where a record comes from.

    commit, dirty   of the source tree; "" outside a checkout
    numerics        by what its numbers were computed; None without numbers, and in records made before that was noted
    data_sha256     of the decompressed CSV; rows_sha256 of the accepted mol_ids in order
    split_sha256    of the index arrays
    device          "cpu" or the name of the GPU
    components      "task", "split", "featuriser", "model", "method", "metric" and "metric NAME" of every other metric
                    -> the import packages that its code is in; none if that could not be found out
    sources         these packages by name
    libraries       versions of other libraries that took part, beside `packages`
    These three are empty in older records.
    """

    created: str
    pbgraph: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str]
    platform: str
    processor: str
    device: str
    threads: int
    data_sha256: str
    rows: int
    rejected: tuple[Rejected, ...]
    rows_sha256: str
    featuriser: str
    split_sha256: str
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    numerics: NumericPlatform | None = None


@dataclass(frozen=True)
class RunRecord:
    """The outcome of one run. status is "finished" or "failed"; a failed run has an error and no scores.

    scores       "valid" and "test" -> SplitScore
    metrics      name -> version of what they were scored by
    predictions  file name and SHA-256 of its content
    written_digest  `digest` when the record was written, by which an edit is noticed
    seal         SHA-256 of all that its file says but this, provenance and time included; None in older records
    """

    spec: RunSpec
    status: str
    provenance: Provenance
    error: str | None = None
    selection: Selection | None = None
    scores: Mapping[str, SplitScore] = field(default_factory=dict)
    metrics: Mapping[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    history: tuple[Epoch, ...] = ()
    predictions: str | None = None
    predictions_sha256: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    written_digest: str | None = None
    seal: str | None = None

    @property
    def key(self) -> str:
        """Key of the spec."""
        return self.spec.key

    def digest(self) -> str:
        """SHA-256 of all that the spec determines on a CPU: everything but time, memory and provenance."""
        cost = self.cost and (self.cost.parameters, self.cost.epochs)
        return sha256(
            canonical_json(
                (
                    self.spec,
                    self.status,
                    self.selection,
                    self.scores,
                    self.metrics,
                    cost,
                    self.history,
                    self.predictions_sha256,
                    self.details,
                )
            )
        )


@dataclass(frozen=True)
class _Versioned:
    """What every schema's records have in common."""

    schema: int


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space; floats round-trip."""
    return msgspec.json.encode(value, order="sorted")


def sha256(content: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


WRITTEN_BY_RUNS = ("records", "predictions", "models", "dendrites")  # folders in one of results


@dataclass(frozen=True)
class ResultsFolder:
    """The results of many runs under one root folder."""

    root: Path

    def record_path(self, spec: RunSpec) -> Path:
        """Where the finished record goes."""
        return self.root / "records" / spec.task / f"{spec.key}.json"

    def predictions_path(self, spec: RunSpec) -> Path:
        """Where the scores of single molecules go."""
        return self.root / "predictions" / spec.task / f"{spec.key}.parquet"

    def task_path(self, task: str) -> Path:
        """Where it is described how a table of the user's is read."""
        return self.root / "tasks" / f"{task}.json"

    def model_path(self, spec: RunSpec) -> Path:
        """The folder of the trained model."""
        return self.root / "models" / spec.task / spec.key

    def dendrites_path(self, spec: RunSpec) -> Path:
        """Where it is written what dendrites learnt."""
        return self.root / "dendrites" / spec.task / f"{spec.key}.json"

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Where a run in progress saves its state; a method may use files beside it, named KEY.WORD.safetensors."""
        return self.root / ".work" / f"{spec.key}.safetensors"

    def drop_checkpoints(self, spec: RunSpec) -> None:
        """Delete what a run that is over has saved of its state."""
        for path in (self.root / ".work").glob(f"{spec.key}.*safetensors"):
            with suppress(IsADirectoryError, PermissionError):  # what is no checkpoint stays
                path.unlink(missing_ok=True)

    def lock_path(self, spec: RunSpec) -> Path:
        """The file that is locked while the run is being done."""
        return self.root / ".work" / f"{spec.key}.lock"

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

    def sweep(self) -> None:
        """Delete what writers left that were killed, in this folder and those of its kinds of files and tasks."""
        sweep(self.root)
        for folder in _folders(self.root):
            sweep(folder)
            for task in _folders(folder):
                sweep(task)

    def tasks(self) -> list[str]:
        """The tasks that there are records of, sorted."""
        return sorted(folder.name for folder in _folders(self.root / "records") if _record_files(folder))

    def finished(self, task: str, key: str) -> RunRecord | None:
        """The finished record with this key, or None. Raises DataError if there is something else in its place."""
        path = self.root / "records" / task / f"{key}.json"
        return read_record(path) if os.path.lexists(path) else None

    def write(self, record: RunRecord) -> Path:
        """Write a record once; a failure gets the next free number beside it."""
        path = self.record_path(record.spec)
        if record.status == "failed":
            failures = _record_files(path.parent).get(path.stem, {})
            path = path.with_name(f"{path.stem}.failed-{max(failures, default=0) + 1}.json")
        with new_file(path) as part:
            part.write_bytes(record_bytes(record))
        return path

    def records(self, task: str) -> list[RunRecord]:
        """All finished records of a task, and the last failure of each run that never finished.

        What is no record costs a warning that names it, and is left out.
        """
        return list(self._readable(_record_files(self.root / "records" / task, said=True)))

    def _readable(self, runs: Mapping[str, Mapping[int, Path]]) -> Iterator[RunRecord]:
        for _, files in sorted(runs.items()):
            try:
                yield read_record(files[0] if 0 in files else files[max(files)])
            except DataError as error:
                log.warning("left out: %s", error)


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
    found: dict[str, dict[int, Path]] = {}
    names: list[str] = []
    with suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    for name in names:
        match = re.fullmatch(r"([^.]+)(?:\.failed-([0-9]{1,9}))?\.json", name)
        if match is not None:
            found.setdefault(match[1], {})[int(match[2] or 0)] = folder / name
        elif said and name.endswith(".json"):
            log.warning("left out: %s is not named as a record is, KEY.json or KEY.failed-1.json", folder / name)
    return found


def record_bytes(record: RunRecord) -> bytes:
    """The content of a record's file, sealed."""
    said = msgspec.to_builtins(replace(record, written_digest=record.digest()))
    return formatted({**said, "seal": _seal(said)})


def formatted(said: Any) -> bytes:
    """JSON as records are written: keys sorted, one a line."""
    return msgspec.json.format(canonical_json(said), indent=1) + b"\n"


def _seal(said: Mapping[str, Any]) -> str:
    return sha256(canonical_json({name: value for name, value in said.items() if name != "seal"}))


def read_record(path: Path) -> RunRecord:
    """Read and verify one record.

    Raises DataError if the file is not a record of this schema, was edited, does not belong to its name and folder, or
    is such that no table can be made of it.
    """
    remedy = "move it away to have the run done again"
    try:
        content = read_bytes(path, LARGEST_RECORD)
        schema = decoded(content, _Versioned).schema
        if schema != SCHEMA:
            raise DataError(f"{path} has record schema {schema}, this version reads {SCHEMA}; {remedy}")
        record = decoded(content, RunRecord)
        whole = record.written_digest in (None, record.digest())
        sealed = record.seal is None or record.seal == _seal(msgspec.json.decode(content))
        named = record.key == path.name.split(".", 1)[0]
    except (UnreadableError, RecursionError, OverflowError) as error:
        raise DataError(f"{path} is not a run record: {error}; {remedy}") from error
    if not (whole and sealed and named):
        raise DataError(f"{path} was edited or renamed; restore it, or {remedy}")
    if (task := record.spec.task) != path.parent.name:
        raise DataError(f"{path} is a run of task {task}: move it to the folder records/{task}")
    if (wrong := problem(record)) is not None:
        raise DataError(f"{path} is not a run record: {wrong}; {remedy}")
    return replace(record, written_digest=None, seal=None)
