"""What the dendrites of finished runs learnt, one file beside each record; read without torch."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.errors import DataError, UsageError
from pbgraph.files.hashing import sha256
from pbgraph.files.reading import UnreadableError, read_bytes
from pbgraph.files.writing import new_file
from pbgraph.humanize import ranges
from pbgraph.insight import Insight
from pbgraph.results.arms import Arm, named_arm
from pbgraph.results.folder import INSIGHTS, ResultsFolder
from pbgraph.results.insight_file import LARGEST, insight_bytes, insight_in
from pbgraph.results.protocol import check_no_twins
from pbgraph.results.records import RunRecord

DIGEST = "dendrites_sha256"  # among a record's details
DIGITS = 3  # of earlier files; the first ones have six
HALF_A_DIGIT = 0.5006  # of the last of three digits, and of the last of six
HALF_A_BIT = 2.0**-8 + 0.0005  # of the last of eight, beside the number itself, and of the last of four digits


def write_insight(path: Path, insight: Insight) -> str:
    """Write it as `insight_bytes` has it, and return the SHA-256 of the file's content.

    A file left by a run that ended before its record was written is replaced, whatever its form.
    """
    content = insight_bytes(insight)
    for suffix in INSIGHTS:
        path.with_suffix(suffix).unlink(missing_ok=True)
    with new_file(path) as part:
        part.write_bytes(content)
    return sha256(content)


def agree(mine: Any, theirs: Any) -> bool:
    """Whether two insights say the same, as far as both go, `mine` with digits and `theirs` with bits.

    They are dataclasses or JSON.
    """
    if isinstance(mine, Insight):
        return agree(msgspec.to_builtins(mine), msgspec.to_builtins(theirs))
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(agree(mine[name], theirs[name]) for name in mine)
    if isinstance(mine, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(mine) == len(theirs) and all(map(agree, mine, theirs))
    if isinstance(mine, float) and isinstance(theirs, float):
        digit = 10.0 ** (math.floor(math.log10(abs(mine))) + 1 - DIGITS) if mine else 0.0
        return abs(mine - theirs) <= HALF_A_DIGIT * digit + HALF_A_BIT * abs(mine)
    return bool(mine == theirs)


def finished_run(records: Sequence[RunRecord], arm: Arm, seed: int | None, *, command: str) -> RunRecord:
    """The finished run of an arm with this seed; None: with its lowest. The records are of one task, preset and split.

    command  that runs the task, to be named where a run is not there
    Raises UsageError, saying what there is and what to do, if there is no such run, if it failed, or if two of its
    runs have one seed.
    """
    mine = _by_seed(records, arm)
    finished = [seed for seed, record in mine.items() if record.status == "finished"]
    wanted = min(finished, default=min(mine)) if seed is None else seed
    if wanted in finished:
        return mine[wanted]
    there = f"finished seeds: {ranges(finished) or 'none'}"
    spec = mine[min(mine)].spec
    if wanted in mine:
        raise UsageError(f"{spec.arm}, seed {wanted}, failed: {mine[wanted].error}; {there}")
    raise UsageError(
        f"there is no run of {spec.arm} with seed {wanted}; {there}. '{command} --preset "
        f"{spec.preset} --split {spec.split} --models {spec.model} --methods {spec.method} --seeds {wanted}' makes it"
    )


def finished_runs(records: Sequence[RunRecord], arm: Arm, *, command: str) -> list[RunRecord]:
    """All finished runs of an arm, by seed; raises UsageError as `finished_run` if there is none."""
    finished = [record for record in _by_seed(records, arm).values() if record.status == "finished"]
    return finished or [finished_run(records, arm, None, command=command)]


def _by_seed(records: Sequence[RunRecord], arm: Arm) -> dict[int, RunRecord]:
    """The arm's runs in the order of their seeds; of two of one seed, the finished one."""
    arm = named_arm(arm, (record.spec.arm for record in records))
    of_arm = [record for record in records if record.spec.arm == arm]
    check_no_twins(record for record in of_arm if record.status == "finished")
    mine = {record.spec.seed: record for record in sorted(of_arm, key=lambda record: record.status == "finished")}
    return dict(sorted(mine.items()))


def read_insight(results: ResultsFolder, record: RunRecord) -> Insight:
    """What the dendrites of a finished run learnt.

    Raises UsageError for a run without dendrites, DataError if the file is not there or not that of its record.
    """
    digest = record.details.get(DIGEST)
    run = f"{record.spec.arm}, seed {record.spec.seed}"
    if digest is None and "dendrites" not in record.details:
        raise UsageError(f"{run}, is a run without dendrites: name an arm that grows some, such as perforated")
    path = insight_path(results, record)
    if digest is None:
        raise DataError(
            f"record {record.key} of {run}, does not say what its dendrites learnt: it was made by an earlier version; "
            f"move {results.record_path(record.spec)} away to have the run done again"
        )
    if not os.path.lexists(path):
        raise DataError(f"{path} is not there: copy it from where record {record.key} of {run}, was made")
    try:
        content = read_bytes(path, LARGEST)
        if sha256(content) != digest:
            raise DataError(f"{path} is not the file that record {record.key} was written with; restore it")
        return insight_in(content)
    except UnreadableError as error:
        raise DataError(f"{path} does not say what dendrites learnt ({error}); restore it") from error


def insight_path(results: ResultsFolder, record: RunRecord) -> Path:
    """Where a run's insight is: of the forms that are there, that which its record has the hash of, or else the newest.

    Where there is none, that of today.
    """
    there = [path for path in results.dendrites_paths(record.spec) if os.path.lexists(path)]
    if len(there) > 1:
        there.sort(key=lambda path: not _is_of(record, path))
    return there[0] if there else results.dendrites_path(record.spec)


def _is_of(record: RunRecord, path: Path) -> bool:
    try:
        return sha256(read_bytes(path, LARGEST)) == record.details.get(DIGEST)
    except UnreadableError:
        return False
