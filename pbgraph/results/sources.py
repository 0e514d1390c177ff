"""Results of other machines, as a folder or a zip archive of one: which files are there, and what is in them.

Nothing is unpacked by the name that an archive gives it. Only files that are named as those of a results folder are
looked at; all names are checked before any is used, links are not followed, and no more is read than was foreseen.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from pbgraph.errors import DataError, UsageError
from pbgraph.files.reading import MEBIBYTE, UnreadableError

WORD = r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,199}"
KEY = r"[0-9a-f]{16}"
FILE = re.compile(
    rf"records/{WORD}/{KEY}(\.failed-[0-9]{{1,9}})?\.json"
    rf"|predictions/{WORD}/{KEY}\.parquet"
    rf"|dendrites/{WORD}/{KEY}\.(zst|json)"
    rf"|models/{WORD}/{KEY}/{WORD}"
    rf"|registered/{WORD}\.json"
    rf"|tasks/{WORD}\.json"
    rf"|tuning/{WORD}/{WORD}\.jsonl"
)
KINDS = ("records", "predictions", "dendrites", "models", "registered", "tasks", "tuning")  # folders of these
PIECE = MEBIBYTE  # bytes that are copied at a time


class Results(Protocol):
    """What was made elsewhere; names are those below a results folder, with slashes."""

    @property
    def name(self) -> str:
        """As the user calls it."""

    @property
    def names(self) -> frozenset[str]:
        """Of its files."""

    def opened(self, name: str) -> IO[bytes]:
        """A file of it. Raises UnreadableError."""


class Folder:
    """A results folder."""

    def __init__(self, root: Path) -> None:
        self.name, self.root = str(root), root
        self.names = frozenset(name for kind in KINDS for name in self._files(kind) if FILE.fullmatch(name))

    def _files(self, kind: str) -> Iterator[str]:
        for folder, _, files in os.walk(self.root / kind):
            yield from ((Path(folder) / file).relative_to(self.root).as_posix() for file in files)

    def opened(self, name: str) -> IO[bytes]:
        """A regular file; no link is followed."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnreadableError("it is no regular file")
        return open(descriptor, "rb")


class Archive:
    """A zip archive of a results folder, or of one folder that holds it."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.name, self._archive = str(path), archive
        members = [one for one in archive.namelist() if not one.endswith("/")]
        found = {member: match for member in members if (match := re.fullmatch(rf"(.*?)({FILE.pattern})", member))}
        prefixes = {match[1] for match in found.values()}
        if len(prefixes) > 1 or any(".." in one.split("/") or one.startswith("/") for one in prefixes):
            listed = ", ".join(sorted(map(repr, prefixes)))
            raise UsageError(f"{path} holds several results folders, or one of no plain name: {listed:.200}")
        self._prefix = next(iter(prefixes), "")
        self.names = frozenset(match[2] for match in found.values())

    def opened(self, name: str) -> IO[bytes]:
        """A member."""
        try:
            return self._archive.open(self._prefix + name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, zlib.error, EOFError) as error:
            raise UnreadableError(f"{error!s:.300}") from error


@contextmanager
def opened(path: Path) -> Iterator[Results]:
    """What a folder or an archive holds. Raises UsageError if it is neither, or holds no results."""
    if path.is_dir():
        yield _with_results(Folder(path))
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there; name a results folder, or a zip archive of one") from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{path} is neither a folder nor a whole zip archive: {error!s:.200}") from error
    with archive:
        yield _with_results(Archive(path, archive))


def _with_results(found: Results) -> Results:
    if not any(name.startswith("records/") for name in found.names):
        raise UsageError(f"{found.name} holds no records; name a results folder, which has a folder 'records'")
    return found


def by_run(found: Results) -> dict[tuple[str, str], list[str]]:
    """(task, key) -> the files of a run, sorted, records first; of those that have a record."""
    runs: dict[tuple[str, str], list[str]] = {}
    for name in sorted(found.names, key=lambda name: (not name.startswith("records/"), name)):
        kind, task, *rest = name.split("/")
        run = task, rest[0].split(".", 1)[0] if rest else ""
        if kind == "records":
            runs.setdefault(run, []).append(name)
        elif kind in ("predictions", "dendrites", "models") and run in runs:
            runs[run].append(name)
    return runs


def copied(found: Results, name: str, target: Path, most: int) -> None:
    """Copy a file of at most so many bytes to a new place. Raises DataError if it cannot be read or is too large."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with found.opened(name) as source, open(target, "xb") as file:
            left = most
            while piece := source.read(PIECE):
                left -= len(piece)
                if left < 0:
                    raise UnreadableError(f"it has more than {most / MEBIBYTE:,.0f} MiB, the most that is read")
                file.write(piece)
    except (UnreadableError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise DataError(f"{found.name}: {name} cannot be read: {error!s:.300}") from error
