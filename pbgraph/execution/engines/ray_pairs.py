"""Records that controls are paired with, in the folder of a Ray node's runs for as long as one of them needs it.

All runs of a machine share that folder, and look through it. Were the record of every pair left there, each run would
look through thousands, and they would stay for ever.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from pbgraph.files.locks import exclusive
from pbgraph.files.writing import replaced_file
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunSpec

LOCK = "pairs.lock"  # held while files come and go


def needed(spec: RunSpec, results: ResultsFolder) -> dict[str, bytes]:
    """The record that a control needs, as the driver sends it: its name below a results folder -> content."""
    if spec.control_of is None:
        return {}
    path = results.root / "records" / spec.task / f"{spec.control_of}.json"
    return {path.relative_to(results.root).as_posix(): path.read_bytes()} if path.exists() else {}


def lend(root: Path, files: Mapping[str, bytes]) -> Callable[[], None]:
    """Write these files, names below a folder, unless they are there; returns what gives them back.

    The last one to give back a file deletes it. What has the name and another content, as an earlier driver may have
    left, is replaced.
    """
    if not files:
        return lambda: None
    with exclusive(root / LOCK):
        held = [(root / name, _held(root / name, content)) for name, content in files.items()]
    return partial(_give_back, root, held)


def _held(path: Path, content: bytes) -> int:
    """A descriptor whose shared lock says that the file is needed."""
    if not path.exists() or path.read_bytes() != content:
        with replaced_file(path) as part:
            part.write_bytes(content)
    held = os.open(path, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks, where the file stays
        fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _give_back(root: Path, held: list[tuple[Path, int]]) -> None:
    with exclusive(root / LOCK):
        for path, descriptor in held:
            with suppress(OSError):  # others need it, or it is gone
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    path.unlink()
            os.close(descriptor)
