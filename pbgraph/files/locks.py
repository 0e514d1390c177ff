"""Locks, for work that several processes would otherwise do at the same time; and the user's own folder they lie in.

A lock is a file that is there only while it is held or waited for. It is opened without following a link, is never
written to, and what is no regular file is no lock.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

log = logging.getLogger(__name__)

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of a file system that has none
LOOK = 0.1  # seconds between two looks at a lock that another process holds


def cache_folder() -> Path:
    """``$PBGRAPH_CACHE``, or the user's cache folder of this platform."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("PBGRAPH_CACHE") or user_cache_path("pbgraph"))


@contextmanager
def locked(name: str) -> Iterator[bool]:
    """Only one process of this user is inside a block of this name at a time; the others wait until it leaves or dies.

    name  part of a file name in a folder of the user's cache that nobody else can write; where there is none, nobody
          waits
    Gives whether another one was inside when this one came.
    """
    with ExitStack() as stack:
        try:
            waited = _entered(stack, name)
        except OSError as error:
            log.info("going on without a lock: %s", error)
            waited = False
        yield waited


def _entered(stack: ExitStack, name: str) -> bool:
    """Hold a lock as long as the stack; the folder is there only while there are locks in it."""
    waited = False
    while True:
        folder = _own_folder()
        stack.callback(_drop_if_empty, folder)
        try:
            waited |= stack.enter_context(exclusive(folder / f"{name}.lock", mode=0o600))
        except FileNotFoundError:  # whoever held the last lock has just taken the folder with it
            waited = True
        else:
            return waited


def _drop_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def exclusive(
    path: Path, waiting: Callable[[], None] = lambda: None, *, mode: int = 0o666, every: float = LOOK
) -> Iterator[bool]:
    """Hold the lock at `path`; while another process has it, wait, calling `waiting` every so many seconds.

    mode  of the file, less the umask
    Gives whether there was a wait. Raises OSError if `path` can be no lock: a link, a folder, a pipe.
    """
    waited = False
    while (held := _taken(path, mode)) is None:
        waited = True
        waiting()
        time.sleep(every)
    try:
        yield waited
    finally:
        _give_back(path, held)


def try_exclusive(path: Path, *, mode: int = 0o666) -> Callable[[], None] | None:
    """Hold the lock at `path` without waiting: what gives it back, or None if it is held already, here or elsewhere.

    The lock of a process that dies goes with it. Raises OSError as `exclusive` does.
    """
    held = _taken(path, mode)
    return None if held is None else partial(_give_back, path, held)


def _give_back(path: Path, held: int) -> None:
    with suppress(OSError):
        path.unlink()
    os.close(held)


def is_held(path: Path) -> bool:
    """Whether another process holds the lock at `path`: not if the file is gone, or was left by one that was killed.

    It looks, and takes nothing that it would keep: whoever wants the lock in that very instant tries once more.
    """
    try:
        looking = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if stat.S_ISREG(os.fstat(looking).st_mode):
            fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(looking)
    return False


def _taken(path: Path, mode: int) -> int | None:
    """A descriptor that holds the lock, or None if another process does, or has just deleted the file."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    try:
        if not stat.S_ISREG(os.fstat(held).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file, so it cannot be a lock; move it away", str(path))
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), os.stat(path, follow_symlinks=False)):
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if error.errno in NO_LOCKS:  # nobody can be kept out, or be seen to be in
            return held
        os.close(held)
        raise
    except BaseException:
        os.close(held)
        raise
    os.close(held)
    return None


def _own_folder() -> Path:
    """The folder of this user's locks. Raises OSError unless it is theirs alone."""
    return private_folder(cache_folder() / f"locks-{os.getuid()}")


def private_folder(folder: Path) -> Path:
    """A folder that is there and that nobody else can write to. Raises OSError if it cannot be made, or is not."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(errno.EPERM, "others can write to it, so nothing is put there", str(folder))
    return folder
