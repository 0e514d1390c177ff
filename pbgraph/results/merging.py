"""The results of several machines put together: copied, checked, and refused where two say different things of one run.

A run is taken over with its predictions, its insights and its model, the record last, so that whatever stops the merge,
what is there is whole, and the same command goes on. Two records of one run are the same if their digests are: all that
the run determines on a CPU. If they are not, neither comes in, what is there already stays, and a copy of each is put
aside, as a results folder of its own: RESULTS/.aside/<key>-<digest>/.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.files.reading import MEBIBYTE, content_of
from pbgraph.files.writing import NO_LINKS, new_file, new_folder, replaced_file, scratch_folder
from pbgraph.results.described import keep, user_table
from pbgraph.results.folder import ASIDE, WORK, ResultsFolder
from pbgraph.results.insights import DIGEST, insight_path, read_insight
from pbgraph.results.predictions import LARGEST as LARGEST_PREDICTIONS
from pbgraph.results.record_file import LARGEST_RECORD, read_record
from pbgraph.results.records import RunRecord
from pbgraph.results.registered import registrations, take_over
from pbgraph.results.sources import Folder, Results, by_run, copied, opened
from pbgraph.results.trash import files_of
from pbgraph.results.tuning import writing

NEWLINE = b"\n"
LARGEST_OTHER = 16 * 1024 * MEBIBYTE  # of a file of a model
LARGEST = {"records": LARGEST_RECORD, "predictions": LARGEST_PREDICTIONS, "models": LARGEST_OTHER}


@dataclass
class Merged:
    """What came of a merge.

    new      runs that were taken over
    known    runs that were there already, with the same digest
    refused  key or file -> why it was not taken over
    notes    what else is to be said
    """

    new: list[RunRecord] = field(default_factory=list)
    known: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Candidate:
    """A record that is offered, with all that belongs to it, in a results folder of its own."""

    origin: str
    staged: ResultsFolder
    record: RunRecord
    path: Path


def merge(sources: Sequence[Path], results: ResultsFolder) -> Merged:
    """Take over what these folders and archives hold.

    Raises UsageError if one of them is neither; OSError if the results folder cannot be written.
    """
    merged, staging = Merged(), results.root / WORK / "merge"
    with ExitStack() as stack:
        found = [stack.enter_context(opened(path)) for path in sources]
        files = [(one, by_run(one)) for one in found]
        for run in sorted({run for _, runs in files for run in runs}):
            with scratch_folder(staging) as folder:
                offers = [(one, runs[run]) for one, runs in files if run in runs]
                try:
                    _merge_run(run, offers, results, folder, merged)
                except DataError as error:  # what is there already is no record
                    merged.refused[run[1]] = str(error)
        for one in found:
            with scratch_folder(staging) as folder:
                _merge_others(one, results, ResultsFolder(folder), merged)
    return merged


Offer = tuple[Results, Sequence[str]]  # what has a run, and its files there


def _merge_run(
    run: tuple[str, str], offers: Sequence[Offer], results: ResultsFolder, folder: Path, merged: Merged
) -> None:
    """Take over one run from all that have it. Raises DataError if the one that is there is damaged."""
    own = results.finished(*run)
    candidates, wrong = _candidates(offers, folder)
    finished = {one.record.digest(): one for one in candidates if one.record.status == "finished"}
    if wrong and own is None and not finished:
        merged.refused[run[1]] = wrong[0]
    else:
        merged.notes.extend(f"left out: {text}" for text in wrong)
    if len({*finished, *([own.digest()] if own else ())}) > 1:
        merged.refused[run[1]] = _put_aside(results, own, list(finished.values()))
    elif finished:
        (candidate,) = finished.values()
        adopt(candidate, results)
        merged.known += own is not None
        merged.new.extend([] if own else [candidate.record])
    elif own is None:
        _add_failures(candidates, results, merged)


def _candidates(offers: Sequence[Offer], folder: Path) -> tuple[list[Candidate], list[str]]:
    """All whole records of a run, finished or failed, and what is wrong with the others."""
    found: list[Candidate] = []
    wrong: list[str] = []
    for number, (source, names) in enumerate(offers):
        for name in (name for name in names if name.startswith("records/")):
            staged = ResultsFolder(folder / f"{number}-{len(found) + len(wrong)}")
            try:
                found.append(staged_run(source, name, names, staged=staged))
            except DataError as error:
                wrong.append(str(error).replace(f"{staged.root}/", f"{source.name}: "))
    return found, wrong


def staged_run(source: Results, name: str, names: Sequence[str], *, staged: ResultsFolder) -> Candidate:
    """A record, and if it is finished all that belongs to it, copied and checked. Raises DataError."""
    path = staged.root / name
    copied(source, name, path, LARGEST_RECORD)
    record = read_record(path)
    if record.status != ("failed" if ".failed-" in path.name else "finished"):
        raise DataError(f"{path} is a run that is {record.status}, which its name denies")
    if record.status == "finished":
        for other in names:
            kind = other.split("/", 1)[0]
            if kind != "records":
                copied(source, other, staged.root / other, LARGEST.get(kind, LARGEST_RECORD))
        check_companions(staged, record)
    return Candidate(source.name, staged, record, path)


def check_companions(staged: ResultsFolder, record: RunRecord) -> None:
    """Raises DataError unless the files that a record names by their hashes are there, and are these."""
    if record.predictions_sha256 is not None:
        path = staged.predictions_path(record.spec)
        if sha256(content_of(path, LARGEST_PREDICTIONS)) != record.predictions_sha256:
            raise DataError(f"{path} is not the file that record {record.key} was written with; it was edited or torn")
    if DIGEST in record.details:
        read_insight(staged, record)


def adopt(candidate: Candidate, results: ResultsFolder) -> RunRecord:
    """Bring a checked run into a results folder; returns the record that stands there then.

    Of one that is there already, what is missing beside its record comes in; one that says something else stays as it
    is. Raises DataError if what is there is no record.
    """
    record, staged = candidate.record, candidate.staged
    own = results.finished(record.spec.task, record.key)
    if own is not None and own.digest() != record.digest():
        return own
    for source, targets in (
        (staged.predictions_path(record.spec), [results.predictions_path(record.spec)]),
        (insight_path(staged, record), results.dendrites_paths(record.spec)),
    ):
        if source.exists():
            if own is None:
                for target in targets:
                    target.unlink(missing_ok=True)  # of a run that was killed before its record
            _place(source, results.root / source.relative_to(staged.root))
    model = staged.model_path(record.spec)
    if model.is_dir() and not os.path.lexists(results.model_path(record.spec)):
        with new_folder(results.model_path(record.spec)) as part:
            shutil.copytree(model, part, dirs_exist_ok=True)
    if _place(candidate.path, results.record_path(record.spec)):
        return record
    return results.finished(record.spec.task, record.key) or record


def _place(source: Path, target: Path) -> bool:
    """Give a staged file its name, unless that is taken; whether it was free."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            with new_file(target) as part:
                shutil.copyfile(source, part)
        except FileExistsError:
            return False
    return True


def _add_failures(failures: Sequence[Candidate], results: ResultsFolder, merged: Merged) -> None:
    for candidate in failures:
        spec = candidate.record.spec
        while not _is_there(candidate, results):
            number = results.failures(spec.task).get(spec.key, 0) + 1
            if _place(candidate.path, results.failure_path(spec, number)):  # which another process may have taken now
                merged.new.append(candidate.record)
                break
        else:
            merged.known += 1


def _is_there(candidate: Candidate, results: ResultsFolder) -> bool:
    spec = candidate.record.spec
    return candidate.path.read_bytes() in [path.read_bytes() for path in results.record_files(spec.task, spec.key)]


def _put_aside(results: ResultsFolder, own: RunRecord | None, others: Sequence[Candidate]) -> str:
    """Copy all records of a run that differ to where they can be compared; returns what differs."""
    if own is not None:
        aside = results.root / ASIDE / f"{own.key}-{own.digest()[:8]}"
        for path in files_of(results, own.spec.task, own.key):
            if path.is_file() and WORK not in path.parts:
                _place(path, aside / path.relative_to(results.root))
    for candidate in others:
        spec = candidate.record.spec
        adopt(candidate, ResultsFolder(results.root / ASIDE / f"{spec.key}-{candidate.record.digest()[:8]}"))
    first, second = [*([(str(results.root), own)] if own else []), *((one.origin, one.record) for one in others)][:2]
    kept = f"what is in {results.root} stays; " if own is not None else ""
    return f"{_differing(*first, *second)}. {kept}all are in {results.root / ASIDE}/{spec.key}-*"


def _differing(a_name: str, a: RunRecord, b_name: str, b: RunRecord) -> str:
    """How two records of one run differ: scores first, then where they come from."""
    left, right = _facts(a), _facts(b)
    said = [
        f"{name} {left.get(name, 'none')} and {right.get(name, 'none')}"
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]
    facts = "; ".join(said) or "by nothing that a record says of where it comes from"
    return f"{a.spec.arm} seed {a.spec.seed} of {a_name} and of {b_name} differ: {facts}"


def _facts(record: RunRecord) -> Mapping[str, str]:
    """What may explain why two records differ, in words."""
    came, test = record.provenance, record.scores.get("test")
    versions = {**came.packages, **came.libraries}
    return {
        f"test {record.spec.metric}": str(test.metrics.get(record.spec.metric)) if test else "none",
        "epochs": str(record.cost.epochs if record.cost else None),
        "scored from": str(came.scored_from or "none"),
        "data": came.data_sha256[:12],
        "split": came.split_sha256[:12],
        "device": came.device,
        "processor": came.processor,
        "numeric platform": came.numerics.described if came.numerics else "not recorded",
        "pbgraph": f"{came.pbgraph}, commit {came.commit[:12] or 'unknown'}{'*' * came.dirty}",
        "Python": came.python,
        **dict(sorted(versions.items())),
    }


def _merge_others(source: Results, results: ResultsFolder, staged: ResultsFolder, merged: Merged) -> None:
    """Registered plans, descriptions of tables, and searches."""
    for name in sorted(source.names):
        kind = name.split("/", 1)[0]
        if kind in ("registered", "tasks", "tuning"):
            try:
                copied(source, name, staged.root / name, LARGEST_RECORD)
            except DataError as error:
                merged.refused[name] = str(error)
    for registration in registrations(staged):
        path, here = take_over(results, registration)
        if registration.created < here.created:
            merged.notes.append(
                f"left out: {source.name}: plan {registration.name} was registered there {registration.when}; what "
                f"counts here is {path}, {here.when}"
            )
    _merge_tables(source, results, staged, merged)
    for path in sorted((staged.root / "tuning").glob("*/*.jsonl")):
        target = results.root / path.relative_to(staged.root)
        if not _place(path, target):
            _merge_search(path, target, f"{source.name}: {path.relative_to(staged.root)}", merged)


def _merge_search(path: Path, target: Path, name: str, merged: Merged) -> None:
    """Take over the trials of a search that went on elsewhere from those that are here."""
    with writing(target):
        here, there = target.read_bytes(), path.read_bytes()
        if there.startswith(here) and there != here:
            with replaced_file(target) as part:
                part.write_bytes(there)
            merged.notes.append(f"{name}: {there.count(NEWLINE) - here.count(NEWLINE)} further trials of a search")
        elif not here.startswith(there):
            merged.notes.append(f"left out: {name}: a search goes on in one place, and here it has other trials")


def _merge_tables(source: Results, results: ResultsFolder, staged: ResultsFolder, merged: Merged) -> None:
    """Descriptions of tables; one from an archive, which cannot say where the table is, is looked for in the folder."""
    for path in sorted((staged.root / "tasks").glob("*.json")):
        if results.task_path(path.stem).exists():
            continue
        try:
            table = user_table(path.stem, ResultsFolder(source.root) if isinstance(source, Folder) else staged)
        except DataError as error:
            merged.refused[f"tasks/{path.name}"] = str(error)
            continue
        if not isinstance(source, Folder):
            table = replace(table, path=str(results.root / table.file))
        keep(table, results)
        if not Path(table.path).exists():
            merged.notes.append(
                f"task {table.name}: its table is not here; put it at {table.path}, or name with --data DIR the folder "
                "that holds it"
            )
