"""Files that anybody may have written, read without trusting them: regular files alone, of a size that was foreseen.

Whatever is wrong with one is an `UnreadableError`, whose text says what; nothing that is read is ever executed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from pbgraph.errors import DataError

T = TypeVar("T")

MEBIBYTE = 2**20
MOST = 1024 * MEBIBYTE  # of a file that is read as a whole
MOST_HASHED = 2**40
KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


class UnreadableError(Exception):
    """A file cannot be read, or does not hold what it should."""


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes; a link is followed.

    Raises UnreadableError: of what is no regular file nothing is read, so that no pipe can make anybody wait.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            check_status(os.fstat(descriptor), most)
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that holds a zero byte
        raise UnreadableError(getattr(error, "strerror", None) or str(error)) from error
    if len(content) > most:
        raise UnreadableError(_too_large(len(content), most))
    return content


def content_of(path: Path, most: int = MOST) -> bytes:
    """The same for a file of a results folder. Raises DataError, which says what to do."""
    try:
        return read_bytes(path, most)
    except UnreadableError as error:
        raise DataError(f"{path} cannot be read ({error}); restore it, or move away what is there") from error


def file_versions(component: str, files: Mapping[str, Path], remedy: str) -> dict[str, str]:
    """SHA-256 of every file that a component is made of, as a spec's versions have it: "COMPONENT file NAME" -> hash.

    component  "model" or "featuriser"; remedy: what to do about a file that cannot be read
    Raises DataError if one cannot be, or is no regular file.
    """
    return {f"{component} file {name}": _file_sha256(path, remedy) for name, path in sorted(files.items())}


def _file_sha256(path: Path, remedy: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            check_status(os.fstat(file.fileno()), MOST_HASHED)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, UnreadableError) as error:
        raise DataError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); {remedy}") from error


def check_file(path: Path, most: int) -> None:
    """Raises UnreadableError unless `path` is a regular file of at most so many bytes."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise UnreadableError(getattr(error, "strerror", None) or str(error)) from error
    check_status(found, most)


def check_status(found: os.stat_result, most: int) -> None:
    """As `check_file`, for what is known of a file already."""
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "device")
        raise UnreadableError(f"it is a {kind} and no regular file")
    if found.st_size > most:
        raise UnreadableError(_too_large(found.st_size, most))


def decoded(content: bytes, type_: type[T]) -> T:
    """JSON as a value of a type. Raises UnreadableError for anything else."""
    try:
        return msgspec.json.decode(content, type=type_)
    except RecursionError as error:
        raise UnreadableError("it nests too deeply") from error
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
        raise UnreadableError(f"{error!s:.300}") from error  # it may quote a value of any length


def _too_large(size: int, most: int) -> str:
    return f"it has {size / MEBIBYTE:,.0f} MiB, and {most / MEBIBYTE:,.0f} MiB are the most that are read"
