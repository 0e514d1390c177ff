"""Files that are there whole or not at all: written under another name beside their own, then given it in one step.

While it is being written, such a file is locked by its writer; one that nobody holds is what a killed writer left, and
goes with the next file of its name, or with `sweep`. Parts of one name are numbered, so that a folder of many files
need not be looked through to find them. The user's umask holds for new files, and a file that is replaced keeps its
mode and owner.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import math
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

PART = ".part"
TRIES = 100  # at one number, where other processes come and go
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
        raise _error(errno.EACCES, path)
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
    with scratch_folder(path) as part:
        yield part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(part, path)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that goes when the block ends, unless it has got another name by then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, held = _held_part(path, _make_folder)
    try:
        yield part
    finally:
        os.close(held)
        shutil.rmtree(part, ignore_errors=True)


def sweep(folder: Path, *, before: float = math.inf) -> None:
    """Delete the parts in a folder whose writers are gone.

    before  seconds since 1970: of those alone that have not changed since, where locks may not reach from one machine
            to the other, so that a writer elsewhere seems to be gone
    """
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(PART)]
    except OSError:
        return
    for entry in found:
        if entry.name.startswith("."):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    _drop_if_left(entry.path)


def _drop_if_left(path: str | Path) -> None:
    """Delete a part that is not held by its writer. Raises OSError if it is held, no part, or cannot be deleted."""
    held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        mode = os.fstat(held).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "it is neither a file nor a folder", str(path))
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    finally:
        os.close(held)


def check_replaceable(path: Path) -> None:
    """Raises OSError if `replaced_file` could not write this file: now rather than after long work.

    A folder that would be made for it is not made yet.
    """
    if not is_special(path):
        found = _status(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise _error(errno.EISDIR, path)
        _check_has_room(Path(os.path.realpath(path)))
    if path.exists() and not os.access(path, os.W_OK):
        raise _error(errno.EACCES, path)


def _check_has_room(path: Path) -> None:
    """Raises OSError if there can be no file of this name, with the folders above it."""
    if path.parent.is_dir():
        with _part(path):
            return
    above = next(folder for folder in path.parents if os.path.lexists(folder))
    if not above.is_dir():
        raise _error(errno.ENOTDIR, above)
    if not os.access(above, os.W_OK | os.X_OK):
        raise _error(errno.EACCES, above)
    for name in path.relative_to(above).parts:  # too long a one has no status
        _status(above / name)


def _error(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))


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
    part, held = _held_part(path, _make_file)
    try:
        yield part
    finally:
        os.close(held)
        part.unlink(missing_ok=True)


def _held_part(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A new part and the descriptor that holds it: the first one of its name that no other writer holds."""
    for number in count():
        part = path.with_name(_part_name(path, number))
        for _ in range(TRIES):
            try:
                held = make(part)
            except FileExistsError:
                with suppress(FileNotFoundError):  # its writer has just ended
                    if not _dropped(part):
                        break
                continue
            _try_to_hold(held)
            if _is(part, held):
                return part, held
            os.close(held)  # another one has swept it before it was held
    raise AssertionError("numbers do not end")


def _make_file(part: Path) -> int:
    return os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _make_folder(part: Path) -> int:
    part.mkdir()
    try:
        return os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError as error:  # swept before it was held
        raise FileExistsError(errno.EEXIST, "another process came first", str(part)) from error


def _dropped(part: Path) -> bool:
    """Whether a part that a killed writer left is gone now. Raises FileNotFoundError if it is not there."""
    try:
        _drop_if_left(part)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


def _is(part: Path, held: int) -> bool:
    try:
        return os.path.samestat(os.fstat(held), os.stat(part, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _try_to_hold(descriptor: int) -> None:
    with suppress(OSError):  # a file system without locks, where nothing is ever swept
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _part_name(path: Path, number: int) -> str:
    name = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    digits = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]  # of names that begin alike and are cut
    return f".{name}.{digits}-{number}{PART}"
