"""The file of one record: what it says as bytes, and reading one that anybody may have written.

A record is sealed when it is written; what is read is verified as a whole, each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pbgraph.errors import DataError
from pbgraph.files.hashing import canonical_json
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.results.compact import compact, whole
from pbgraph.results.record_checks import problem
from pbgraph.results.records import FORMAT_VERSION, WHOLE_FORM, RunRecord
from pbgraph.results.upgrades import oldest, seal_of, upgraded

LARGEST_RECORD = 64 * MEBIBYTE


@dataclass(frozen=True)
class _Versioned:
    """What every schema's records have in common."""

    schema: int


def record_bytes(record: RunRecord) -> bytes:
    """The content of a record's file, sealed; in the form of its schema."""
    said = said_by(replace(record, written_digest=record.digest()))
    if record.schema != WHOLE_FORM:
        said = compact(said)
    return formatted({**said, "seal": seal_of(said)})


def said_by(record: RunRecord) -> dict[str, Any]:
    """All that a record says in the whole form, as JSON has it; `thresholds` only where there are some."""
    said: dict[str, Any] = msgspec.to_builtins(replace(record))  # which has what a known one has in its file alone
    if not record.thresholds:
        del said["thresholds"]
    return {**said, "spec": record.spec.said}


def formatted(said: Mapping[str, Any]) -> bytes:
    """JSON as records are written: keys sorted, one a line; in the compact form only those at the top."""
    if said.get("schema") != FORMAT_VERSION:
        return indented(said)
    lines = [f"{canonical_json(name).decode()}: {canonical_json(said[name]).decode()}" for name in sorted(said)]
    return ("{\n " + ",\n ".join(lines) + "\n}\n").encode()


def indented(said: Any) -> bytes:
    """JSON for people: keys sorted, one a line."""
    return msgspec.json.format(canonical_json(said), indent=1) + b"\n"


def read_record(path: Path) -> RunRecord:
    """Read and verify one record; see `record_and_content`."""
    return record_and_content(path)[0]


def record_and_content(path: Path) -> tuple[RunRecord, bytes]:
    """Read and verify one record, and the bytes that it was read from.

    One of an earlier schema is brought up to a later one, and its file left as it is.

    Raises DataError if the file is not a record of a schema that this version reads, was edited, does not belong to its
    name and folder, or is such that no table can be made of it.
    """
    remedy = "move it away to have the run done again"
    try:
        content = read_bytes(path, LARGEST_RECORD)
        schema = decoded(content, _Versioned).schema
        _check_schema(path, schema, remedy)
        said = decoded(content, dict[str, Any])
        record = _record_of(said) if schema >= WHOLE_FORM else upgraded(said)
        unchanged = record.written_digest in (None, record.digest())
        sealed = said.get("seal") in (None, seal_of(said))
        named = record.key == path.name.split(".", 1)[0]
    except (UnreadableError, RecursionError, OverflowError) as error:
        raise DataError(f"{path} is not a run record: {error}; {remedy}") from error
    if not (unchanged and sealed and named):
        raise DataError(f"{path} was edited or renamed; restore it, or {remedy}")
    if (dataset := record.spec.task) != path.parent.name:
        raise DataError(f"{path} is a run of task {dataset}: move it to the folder records/{dataset}")
    if (wrong := problem(record)) is not None:
        raise DataError(f"{path} is not a run record: {wrong}; {remedy}")
    return replace(record, written_digest=None, seal=None), content


def _record_of(said: dict[str, Any]) -> RunRecord:
    """Of what a file of one of the two latest schemas says. Raises UnreadableError if it is no record."""
    try:
        return msgspec.convert(whole(said) if said["schema"] == FORMAT_VERSION else said, RunRecord)
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"{error!s:.300}") from error  # it may quote a value of any length


def _check_schema(path: Path, schema: int, remedy: str) -> None:
    """Raises DataError if this version reads no records of this schema."""
    if schema > FORMAT_VERSION:
        raise DataError(
            f"{path} has record schema {schema}, this version reads up to {FORMAT_VERSION}: it was made by a newer "
            "pbgraph; update pbgraph"
        )
    if schema < (first := oldest()):
        raise DataError(f"{path} has record schema {schema}, the oldest that this version reads is {first}; {remedy}")
