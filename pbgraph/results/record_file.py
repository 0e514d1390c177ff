"""The file of one record: what it says as bytes, and reading one that anybody may have written.

A record is sealed when it is written; what is read is verified as a whole, each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.errors import DataError
from pbgraph.files.hashing import canonical_json
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.results.record_checks import problem
from pbgraph.results.records import FORMAT_VERSION, RunRecord
from pbgraph.results.upgrades import oldest, seal_of, upgraded

LARGEST_RECORD = 64 * MEBIBYTE


@dataclass(frozen=True)
class _Versioned:
    """What every schema's records have in common."""

    schema: int


def record_bytes(record: RunRecord) -> bytes:
    """The content of a record's file, sealed."""
    said = said_by(replace(record, written_digest=record.digest()))
    return formatted({**said, "seal": seal_of(said)})


def said_by(record: RunRecord) -> dict[str, Any]:
    """All that a record says, as JSON has it."""
    said: dict[str, Any] = msgspec.to_builtins(replace(record))  # which has what a known one has in its file alone
    return {**said, "spec": record.spec.said}


def formatted(said: Any) -> bytes:
    """JSON as records are written: keys sorted, one a line."""
    return msgspec.json.format(canonical_json(said), indent=1) + b"\n"


def read_record(path: Path) -> RunRecord:
    """Read and verify one record; one of an earlier schema is brought up to this one, and its file left as it is.

    Raises DataError if the file is not a record of a schema that this version reads, was edited, does not belong to its
    name and folder, or is such that no table can be made of it.
    """
    remedy = "move it away to have the run done again"
    try:
        content = read_bytes(path, LARGEST_RECORD)
        schema = decoded(content, _Versioned).schema
        _check_schema(path, schema, remedy)
        said = decoded(content, dict[str, Any])
        record = decoded(content, RunRecord) if schema == FORMAT_VERSION else upgraded(said)
        whole = record.written_digest in (None, record.digest())
        sealed = said.get("seal") in (None, seal_of(said))
        named = record.key == path.name.split(".", 1)[0]
    except (UnreadableError, RecursionError, OverflowError) as error:
        raise DataError(f"{path} is not a run record: {error}; {remedy}") from error
    if not (whole and sealed and named):
        raise DataError(f"{path} was edited or renamed; restore it, or {remedy}")
    if (dataset := record.spec.task) != path.parent.name:
        raise DataError(f"{path} is a run of task {dataset}: move it to the folder records/{dataset}")
    if (wrong := problem(record)) is not None:
        raise DataError(f"{path} is not a run record: {wrong}; {remedy}")
    return replace(record, written_digest=None, seal=None)


def _check_schema(path: Path, schema: int, remedy: str) -> None:
    """Raises DataError if this version reads no records of this schema."""
    if schema > FORMAT_VERSION:
        raise DataError(
            f"{path} has record schema {schema}, this version reads up to {FORMAT_VERSION}: it was made by a newer "
            "pbgraph; update pbgraph"
        )
    if schema < (first := oldest()):
        raise DataError(f"{path} has record schema {schema}, the oldest that this version reads is {first}; {remedy}")
