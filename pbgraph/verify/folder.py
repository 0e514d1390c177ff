"""The files of a results folder: each record whole and in its place with its companions, and nothing else there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from pbgraph.execution.checkouts import git
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import content_of
from pbgraph.prediction.saved import FACTS, read_facts
from pbgraph.results.arms import Arm
from pbgraph.results.folder import INSIGHTS, ResultsFolder
from pbgraph.results.insights import DIGEST, insight_path, read_insight
from pbgraph.results.protocol import arm_identity, differences
from pbgraph.results.record_file import formatted, record_and_content
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import FOLDER as REGISTERED
from pbgraph.results.tuning import FOLDER as TRIALS
from pbgraph.verify.findings import Findings, findings, guarded
from pbgraph.verify.shape import misshapen_failure, misshapen_run

NAME = re.compile(r"([0-9a-f]{16})(?:\.failed-([1-9][0-9]*))?\.json")
COMPANIONS = {
    "predictions": (".parquet",),
    "dendrites": INSIGHTS,
    "models": ("",),
}  # folder -> suffixes of keys


@dataclass(frozen=True)
class Held:
    """What a results folder holds.

    finished, failed  records that are whole, in the order of their paths
    sound    keys of the finished ones whose companions are theirs
    readable whether every record could be taken up, so that what shows them can be compared
    content  SHA-256 over the paths and contents of all records, and so of the predictions and insights, whose hashes
             these hold; not of models, of which a record says nothing
    """

    finished: tuple[RunRecord, ...]
    failed: tuple[RunRecord, ...]
    sound: frozenset[str]
    readable: bool
    content: str
    findings: Findings

    @property
    def checkable(self) -> list[RunRecord]:
        """The finished records whose predictions are theirs."""
        return [record for record in self.finished if record.key in self.sound]


def held_by(results: ResultsFolder, done: Callable[[int], None] = lambda _: None) -> Held:
    """All records of a results folder and what is wrong with its files; done: called with 1 after each record."""
    wrong: list[str] = []
    companions = [path for folder in COMPANIONS for path in _in_task_folders(results.root / folder, wrong)]
    records: dict[Path, RunRecord] = {}
    hashes: dict[Path, str] = {}
    unsealed: list[Path] = []
    paths = list(_in_task_folders(results.root / "records", wrong))
    for path in paths:
        wrong += guarded(path, _take, path, records, hashes, unsealed)
        done(1)
    finished = [record for record in records.values() if record.status == "finished"]
    failed = [record for record in records.values() if record.status == "failed"]
    broken = {record.key: guarded(record.key, _companions, results, record) for record in finished}
    wrong += [line for lines in broken.values() for line in lines]
    wrong += [line for path in companions for line in _orphan(results, path, finished)]
    wrong += [*_unpaired(finished), *_twins(finished), *_changed(results), *_trials_dropped(results)]
    loose = set(unsealed) - _committed(results)
    counts = {
        "records": len(paths),
        "finished": len(finished),
        "failed": len(failed),
        "external results": sum(record.spec.external for record in finished),
        "predictions": sum(results.predictions_path(record.spec).exists() for record in finished),
        "insights": sum(DIGEST in record.details and insight_path(results, record).exists() for record in finished),
        "models": sum(results.model_path(record.spec).is_dir() for record in finished),
        "runs with uncommitted changes": sum(record.provenance.dirty for record in finished),
        "records without a seal": len(unsealed),
    }
    unchecked = [
        f"time, machine, commit and cost of {len(loose)} record{'' if len(loose) == 1 else 's'} without a seal, as "
        "earlier versions wrote them: only a checkout that has them committed vouches for these, and here is none"
    ]
    digests = [(str(path.relative_to(results.root)), digest) for path, digest in hashes.items()]
    sound = frozenset(key for key, lines in broken.items() if not lines)
    readable = len(records) == len(paths)
    said = findings(counts, wrong, unchecked if loose else ())
    return Held(tuple(finished), tuple(failed), sound, readable, sha256(canonical_json(digests)), said)


def _in_task_folders(folder: Path, wrong: list[str]) -> Iterator[Path]:
    """What lies in the folders of tasks; whatever else lies beside these is wrong.

    Hidden files are left out but for those that a reader of records would take up: a write in progress has such a name.
    """
    for of_dataset in entries(folder, wrong):
        if not of_dataset.is_dir():
            wrong.append(f"{of_dataset} is not a folder of a task's runs; move it away")
            continue
        yield from entries(of_dataset, wrong)


def entries(folder: Path, wrong: list[str]) -> list[Path]:
    """What lies in a folder, by name; hidden are only JSON files."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        wrong.append(f"{folder} cannot be looked into ({error.strerror})")
        return []
    return [path for path in paths if not path.name.startswith(".") or path.suffix == ".json"]


def _key_of(path: Path) -> str:
    return path.name.split(".", 1)[0]


def _take(path: Path, records: dict[Path, RunRecord], hashes: dict[Path, str], unsealed: list[Path]) -> Iterator[str]:
    """Read a record, put it and its hash with the others if it can be used, and say what is wrong with it."""
    named = NAME.fullmatch(path.name)
    if named is None:
        yield f"{path} is not named as a record is, KEY.json or KEY.failed-1.json; move it away"
        return
    record, content = record_and_content(path)
    said = msgspec.json.decode(content)
    if content != formatted(said):
        yield f"{path} is not written as records are: its content was edited, though not its numbers; restore it"
    if said.get("written_digest") is None or (record.provenance.components and said.get("seal") is None):
        yield f"{path} has lost its digest or its seal, by which an edit is noticed; restore it"
    elif said.get("seal") is None:
        unsealed.append(path)
    expected = "failed" if named[2] else "finished"
    if record.status != expected:
        yield f"{path} says of itself that it is {record.status!r}, and by its name it is {expected}"
        return
    misshapen = [f"{path}: {what}" for what in (misshapen_run if expected == "finished" else misshapen_failure)(record)]
    yield from misshapen
    if not misshapen:
        records[path], hashes[path] = record, sha256(content)


def _companions(results: ResultsFolder, record: RunRecord) -> Iterator[str]:
    """What is wrong with the files that a finished record names, or with its model if there is one."""
    path = results.predictions_path(record.spec)
    if not path.exists():
        yield f"{path} is not there: copy it from where record {record.key} was made"
    elif sha256(content_of(path)) != record.predictions_sha256:
        yield f"{path} is not the file that record {record.key} was written with; restore it"
    if DIGEST in record.details:
        yield from guarded(insight_path(results, record), _insight, results, record)
    folder = results.model_path(record.spec)
    if folder.exists():
        yield from guarded(folder, _model, folder, record)


def _insight(results: ResultsFolder, record: RunRecord) -> list[str]:
    read_insight(results, record)
    return []


def _model(folder: Path, record: RunRecord) -> Iterator[str]:
    facts = read_facts(folder)
    if facts.spec != record.spec:
        yield f"{folder / FACTS} is of run {facts.spec.key}, expected {record.key}; move the folder away"


def _orphan(results: ResultsFolder, path: Path, finished: Iterable[RunRecord]) -> Iterator[str]:
    """Whether a companion has a record; of a damaged one enough is said already."""
    kind, dataset, key = path.parent.parent.name, path.parent.name, _key_of(path)
    if path.name.removeprefix(key) not in COMPANIONS[kind]:
        yield f"{path} is no file of a run; move it away"
    elif not (results.root / "records" / dataset / f"{key}.json").exists():
        yield f"{path} is of no finished run: its record is gone, or never came; restore the record or move it away"
    elif kind == "dendrites":
        mine = (record for record in finished if record.key == key and record.spec.task == dataset)
        if any(DIGEST not in record.details or insight_path(results, record) != path for record in mine):
            yield f"{path}: record {key} does not know of it; move it away"


def _unpaired(finished: Iterable[RunRecord]) -> Iterator[str]:
    """Controls without the run that they are matched to, or with one on another split."""
    by_key = {(record.spec.task, record.key): record for record in finished}
    for record in by_key.values():
        if record.spec.control_of is None:
            continue
        pair = by_key.get((record.spec.task, record.spec.control_of))
        run = f"record {record.key} of {record.spec.arm}, seed {record.spec.seed},"
        if pair is None:
            yield f"{run} is a control of run {record.spec.control_of}, which has no finished record here"
        elif pair.provenance.split_sha256 != record.provenance.split_sha256 or pair.spec.seed != record.spec.seed:
            yield f"{run} has another split or seed than run {pair.key}, which it is a control of"


def _twins(finished: Iterable[RunRecord]) -> Iterator[str]:
    """Different runs of one arm and seed: no table can hold both."""

    def row(record: RunRecord) -> tuple[str, str, str, Arm, int]:
        spec = record.spec
        return spec.task, spec.split, spec.preset, spec.arm, spec.seed

    for (dataset, split, preset, arm, seed), same in groupby(sorted(finished, key=row), key=row):
        first, *others = same
        for other in others:
            facts = [{**arm_identity(record.spec), "pair": record.spec.control_of} for record in (first, other)]
            yield (
                f"records {first.key} and {other.key} are both {arm}, seed {seed}, of {dataset}, split {split}, "
                f"preset {preset}, and differ in {differences(*facts) or 'the seed of their split'}; move one away"
            )


def _changed(results: ResultsFolder) -> Iterator[str]:
    """Files of runs and registered plans that a checkout has otherwise, or that are gone: none is edited or dropped."""
    options = ("--name-status", "--no-renames", "--relative", "-z", "--diff-filter=MTD")
    said = (git(results.root, "diff", *options, "HEAD", "--", "records", *COMPANIONS, REGISTERED) or "").split("\0")
    for status, name in zip(said[::2], said[1::2], strict=False):
        if status == "D":
            yield f"{results.root / name} is committed and not there; restore it"
        else:
            yield f"{results.root / name} is not as it was committed; restore it"


def _trials_dropped(results: ResultsFolder) -> Iterator[str]:
    """Committed searches that lack trials now: lines are only ever added, and tables say how many there were."""
    said = git(results.root, "diff", "--numstat", "--no-renames", "--relative", "-z", "HEAD", "--", TRIALS) or ""
    for line in filter(None, said.split("\0")):
        _, gone, name = line.split("\t", 2)
        if name.endswith(".jsonl") and gone != "0":
            yield f"{results.root / name} lacks {gone} of the lines that were committed; restore them"


def _committed(results: ResultsFolder) -> set[Path]:
    """The records that the checkout around the folder has committed; of those edited since, `_changed` tells."""
    said = git(results.root, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", "records") or ""
    return {results.root / name for name in said.split("\0")}


def by_task(records: Iterable[RunRecord]) -> Mapping[str, list[RunRecord]]:
    """The records of every task."""
    grouped: dict[str, list[RunRecord]] = {}
    for record in records:
        grouped.setdefault(record.spec.task, []).append(record)
    return grouped
