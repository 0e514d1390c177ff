"""Files that are there whole or not at all: written under another name beside their own, then given it in one step.

While it is being written, such a file is locked by its writer; one that nobody holds is what a killed writer left, and
goes with the next file of its name, or with `sweep`. The user's umask holds for new files, and a file that is replaced
keeps its mode and owner.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"
LONGEST = 160  # bytes of a file's name that its part repeats: with all that is added, the most that a name may have
OPEN = tuple(("dev", name) for name in ("stdin", "stdout", "stderr", "fd"))  # names of files that are open already
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name, whole and on disk, when the block ends well.

    Raises FileExistsError if `path` is there by then: nothing is ever overwritten.
    """
    with _part(path) as part:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        _named(part, path)


def _named(part: Path, path: Path) -> None:
    """Give a part a name that is free; where there are no links, by taking the name first."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in NO_LINKS or isinstance(error, FileExistsError):
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(part, path)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well; until then an older one is there.

    A link stays, what it leads to is replaced. What is no regular file, such as a pipe or a device, is given itself:
    it is written to straight. Raises PermissionError for an older file that may not be written.
    """
    if is_special(path):
        yield path
        return
    path = Path(os.path.realpath(path))
    old = _status(path)
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    with _part(path) as part:
        yield part
        if old is not None:
            with suppress(OSError):  # only the administrator may give files away
                os.chown(part, old.st_uid, old.st_gid)
            os.chmod(part, stat.S_IMODE(old.st_mode))
        os.replace(part, path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name, and an older one's place, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    part = path.with_name(_part_name(path))
    part.mkdir()
    held = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _try_to_hold(held)
        yield part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(part, path)
    finally:
        os.close(held)
        shutil.rmtree(part, ignore_errors=True)


def sweep(folder: Path, name: str = "") -> None:
    """Delete the parts in a folder whose writers are gone: those of the file called `name`, or of all files."""
    beginning = _part_name(Path(name)).removesuffix(PART)[:-8] if name else "."
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(PART)]
    except OSError:
        return
    for entry in found:
        if entry.name.startswith(beginning):
            with suppress(OSError):
                _drop_if_left(entry)


def _drop_if_left(entry: os.DirEntry[str]) -> None:
    """Delete a part unless it is held by its writer. Raises OSError if it is, or cannot be deleted."""
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
        held = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        finally:
            os.close(held)


def check_replaceable(path: Path) -> None:
    """Raises OSError if `replaced_file` could not write this file: now rather than after long work."""
    if not is_special(path):
        found = _status(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with _part(Path(os.path.realpath(path))):
            pass
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def is_special(path: Path) -> bool:
    """Whether a path leads to what is read once and written straight: a pipe, a device, or a file that is open here."""
    found = _status(path)
    straight = path.is_absolute() and (path.parts[1:2] == ("proc",) or path.parts[1:3] in OPEN)
    return found is not None and (straight or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, held by this process; what is left of it under its own name afterwards goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    part, held = _held_part(path)
    try:
        yield part
    finally:
        os.close(held)
        part.unlink(missing_ok=True)


def _held_part(path: Path) -> tuple[Path, int]:
    """A new part and the descriptor that holds it; another one if it was swept before it was held."""
    while True:
        part = path.with_name(_part_name(path))
        held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _try_to_hold(held)
        if part.exists():
            return part, held
        os.close(held)


def _try_to_hold(descriptor: int) -> None:
    with suppress(OSError):  # a file system without locks, where nothing is ever swept
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _part_name(path: Path) -> str:
    name = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    return f".{name}.{secrets.token_hex(4)}{PART}"
