"""Runs of searches that will be needed again: how they were trained, and their validation score.

    results/.work/pairs/<key>.json    one run; searches that try the same settings share it

Those that controls are paired with stay. Any other stays until its trial is over, so that a search that was stopped
does not train the seeds again that it had finished.

They are no records: no test row was scored, they are in no table, and the folder can be deleted at any time, which
costs their training. What cannot be read, or was computed on another numeric platform, is trained again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.files.writing import replaced_file
from pbgraph.results.records import RunRecord

LARGEST = 64 * MEBIBYTE


def keep(folder: Path, record: RunRecord) -> None:
    """Write a run for its controls and for whoever goes on with its trial."""
    folder.mkdir(parents=True, exist_ok=True)
    with replaced_file(_path(folder, record.key)) as part:
        part.write_bytes(msgspec.json.encode(record))


def kept(folder: Path, key: str) -> RunRecord | None:
    """The run with this key, or None."""
    path = _path(folder, key)
    if not path.exists():
        return None
    try:
        record = decoded(read_bytes(path, LARGEST), RunRecord)
    except UnreadableError:
        return None
    return record if record.key == key else None


def drop(folder: Path, key: str) -> None:
    """Keep a run no longer."""
    _path(folder, key).unlink(missing_ok=True)


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"
