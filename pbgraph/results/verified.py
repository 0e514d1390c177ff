"""Records that were verified before: what tables need of thousands, kept so that they need not be verified again.

Verifying a record takes a millisecond, most of it for its history, which no table shows. So what was verified is kept
in the user's own cache (`pbgraph.files.cache`), a file for each folder of records; nothing comes in with the results of
others. A record is taken from there as long as its file has the same size, times of change of content and status, and
inode: the system sets the time of status itself, so that an edited file is noticed even where its other time was set
back. What changed within the last two seconds is not kept: a further change could have the same times. Whoever deletes
the file, or has other code that verifies, verifies all again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

from pbgraph import history, metrics, molecules
from pbgraph.errors import DataError
from pbgraph.files.cache import keep, kept
from pbgraph.files.hashing import Scalar, sha256
from pbgraph.history import Epoch
from pbgraph.results import arms, compact, record_checks, record_file, records, upgrades
from pbgraph.results.record_file import read_record
from pbgraph.results.records import RunRecord

LEFT_IN_FILE = ("history", "details", "correlations")  # fields that tables do not need
SETTLED_SECONDS = 2.0  # coarser than the times of any file system in use
LEAST, SHARE = 200, 0.02  # of records that are to be added before the file is written again, and of all of them
# what verifying depends on
CODE = (records, record_file, compact, record_checks, upgrades, arms, history, metrics, molecules)

Identity = tuple[int, int, int, int]


class KnownRecord(RunRecord):
    """A record that was verified before; what tables do not need is read from its file when asked for, and verified."""

    file: Path

    @cached_property
    def _whole(self) -> RunRecord:
        whole = read_record(self.file)
        if whole.spec != self.spec:
            raise DataError(f"{self.file} was replaced while it was being read; do the same again")
        return whole

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        """As the file has it."""
        return self._whole.history

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """As the file has them."""
        return self._whole.details

    @cached_property
    def correlations(self) -> Mapping[str, tuple[float | None, ...]]:
        """As the file has them."""
        return self._whole.correlations

    def __eq__(self, other: object) -> bool:
        names = RunRecord.__dataclass_fields__
        return isinstance(other, RunRecord) and all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = RunRecord.__hash__


class _Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One file; said: the record without what is left in the file, as MessagePack."""

    identity: Identity
    said: msgspec.Raw


@contextmanager
def reader(folder: Path, verify: Callable[[Path], RunRecord]) -> Iterator[Callable[[Path], RunRecord]]:
    """Gives what reads records of a folder as `verify` does, those that were verified before from what is kept.

    verify  `read_record`
    When the block ends, what was read is kept, if there is enough of it that is new.
    """
    before = _Kept(folder, verify)
    yield before.read
    before.renew()


class _Kept:
    """What is kept of a folder, and what is to be."""

    def __init__(self, folder: Path, verify: Callable[[Path], RunRecord]) -> None:
        self._verify = verify
        self._key: Mapping[str, Scalar] = {"folder": os.fsencode(os.path.realpath(folder)).hex()}
        self._entries = _entries(kept("records", self._key))
        self._used: dict[str, _Entry] = {}
        self._new = 0

    def read(self, path: Path) -> RunRecord:
        """Raises DataError as `read_record`."""
        entry, identity = self._entries.get(path.name), _identity(path)
        if entry is not None and entry.identity == identity:
            self._used[path.name] = entry
            return _known(entry, path)
        record = self._verify(path)
        if identity is not None and time.time_ns() - max(identity[1:3]) > SETTLED_SECONDS * 1e9:
            self._used[path.name] = _Entry(identity, msgspec.Raw(_said(record)))
            self._new += 1
        return record

    def renew(self) -> None:
        if self._new >= max(LEAST, SHARE * len(self._used)):
            keep("records", self._key, _code() + msgspec.msgpack.encode(self._used))


def _identity(path: Path) -> Identity | None:
    """Size, times and inode of a file; None if it is not there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@cache
def _code() -> bytes:
    """Hash of the code by which records were verified and kept."""
    files = [__file__, *(str(module.__file__) for module in CODE)]
    return sha256(b"".join(Path(file).read_bytes() for file in files)).encode()


def _entries(content: bytes | None) -> dict[str, _Entry]:
    """Name -> entry; none if there are none, or other code has made them."""
    if content is None or not content.startswith(_code()):
        return {}
    return msgspec.msgpack.decode(memoryview(content)[len(_code()) :], type=dict[str, _Entry])


def _said(record: RunRecord) -> bytes:
    names = [name for name in RunRecord.__dataclass_fields__ if name not in LEFT_IN_FILE]
    return msgspec.msgpack.encode({name: getattr(record, name) for name in names})


_decoder = msgspec.msgpack.Decoder(KnownRecord)


def _known(entry: _Entry, path: Path) -> KnownRecord:
    record = _decoder.decode(entry.said)
    for name in LEFT_IN_FILE:  # they have got their defaults
        del record.__dict__[name]
    record.__dict__["file"] = path
    record.spec.__dict__["key"] = path.name.split(".", 1)[0]  # as was verified
    return record
