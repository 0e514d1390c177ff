"""Files that are there whole or not at all: written under another name beside their own, then given it in one step.

Also locks, for work that several processes would otherwise do at the same time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from pbgraph.errors import DataError

MOST_BYTES = 2**30  # of a file that is read as a whole

log = logging.getLogger(__name__)


def content_of(path: Path) -> bytes:
    """The content of a regular file. Raises DataError for what is none (a folder, a pipe), or cannot be read."""
    try:
        if not path.is_file():
            raise DataError(f"{path} cannot be read: it is not a file; restore it, or move away what is there")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DataError(f"{path} has {size} bytes, more than any file of a run; move it away")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable, or move it away") from error


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name, whole and on disk, when the block ends well.

    Raises FileExistsError if `path` is there by then: nothing is ever overwritten.
    """
    with _part(path) as part:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(part, 0o644)
        os.link(part, path)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well; until then an older one is there."""
    with _part(path) as part:
        yield part
        os.chmod(part, 0o644)
        os.replace(part, path)


@contextmanager
def locked(name: str) -> Iterator[bool]:
    """Only one process of this user is inside a block of this name at a time; the others wait until it leaves or dies.

    name  part of a file name in the system's folder of temporary files; where none can be made there, nobody waits
    Gives whether another one was inside when this one came.
    """
    path = Path(tempfile.gettempdir()) / f"pbgraph-{os.getuid()}-{name}.lock"
    with ExitStack() as stack:
        try:
            waited = _lock(stack.enter_context(open(path, "w")))
        except OSError as error:
            log.info("going on without a lock: %s", error)
            waited = False
        yield waited


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    return False


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """An empty file beside `path`; what is left of it under its own name afterwards goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
