"""Files that are there whole or not at all: written under another name beside their own, then given it in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
def _part(path: Path) -> Iterator[Path]:
    """An empty file beside `path`; what is left of it under its own name afterwards goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
