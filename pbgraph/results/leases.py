"""Leases on runs, for workers on many machines that share a results folder and nothing else.

    RESULTS/.work/leases/<key>.<n>       the n-th lease of a run; its content names the worker that holds it
    RESULTS/.work/leases/<worker>.id     what a worker links its leases to
    RESULTS/.work/leases/<worker>.beat   a count that a living worker raises all the time

The highest number of a run is in force. A lease is taken by link(2), which is atomic on local disks and on NFS, and a
name is given only once: of two workers that want the same lease, one gets it. One that is in force is never removed by
anybody but its holder. Whoever finds that its holder is dead takes the next number.

No clocks are compared. A worker is taken for dead by an observer who has looked at its count MISSED times, at least one
of its beats apart by the observer's own monotonic clock, and never saw it change. Whoever was taken for dead and was
not, as after a pause, finds a higher number than his own at his next beat: `lost` then names the run, which he should
leave.
"""

from __future__ import annotations

import logging
import os
import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pbgraph.errors import PbgraphError
from pbgraph.files.reading import UnreadableError, read_bytes
from pbgraph.files.writing import NO_LINKS

EVERY = 20.0  # seconds between two beats
MISSED = 6  # looks in vain after which a worker is taken for dead; NFS may show files as they were a minute ago
SWEEPERS = 10  # workers, of any number, that look in the time of a beat at what all have left
LONGEST = 3600.0  # seconds between two beats
LARGEST = 4096  # bytes of any of the files
LEASE = re.compile(r"([0-9a-f]{1,64})\.([1-9][0-9]{0,8})")
WORKER = re.compile(r"[0-9a-f]{16}")
log = logging.getLogger(__name__)


@dataclass
class _Seen:
    """What an observer has last seen of a worker, when he last counted a look at it, and how many were in vain."""

    beat: str
    looked: float
    missed: int = 0


class Leases:
    """The leases of one worker; as a context manager, its heart beats while the block lasts, and all are given back.

    folder  of the leases
    every   seconds between two beats
    now     a clock that only goes forward
    Raises PbgraphError where the folder cannot be written.
    """

    def __init__(self, folder: Path, *, every: float = EVERY, now: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.every, self._now = folder, every, now
        self.worker = secrets.token_hex(8)
        self.lost: set[str] = set()
        self._held: dict[str, int] = {}  # key -> number
        self._seen: dict[str, _Seen] = {}
        self._count = 0
        self._workers = 1  # that have a beat there, living or dead, as the last look at the folder had it
        self._mutex, self._over = threading.RLock(), threading.Event()
        self._heart = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> Leases:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._show_up()
        except OSError as error:
            raise PbgraphError(
                f"{self.folder} cannot be written ({error.strerror}), so no run can be taken there; give another "
                "folder with --results DIR"
            ) from error
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._heart.join()
        for key in list(self._held):
            self.release(key)
        for path in (self._beat, self._id):
            with suppress(OSError):
                path.unlink()

    @property
    def _id(self) -> Path:
        return self.folder / f"{self.worker}.id"

    @property
    def _beat(self) -> Path:
        return self.folder / f"{self.worker}.beat"

    def take(self, key: str) -> bool:
        """Whether the run is this worker's from now on: nobody held it, or its holder is dead, or it was already."""
        with self._mutex:
            if key in self._held:
                return True
            self.lost.discard(key)
            there = self._leases_of(key)
            dead = [self._is_dead(worker, f"{key}.{number}") for number, worker in there.items()]
            if not all(dead):
                return False
            number = max(there, default=0) + 1
            if not self._link(key, number):
                return False
            now = self._leases_of(key)
            if max(now, default=0) != number or any(now[one] != there.get(one) for one in now if one != number):
                self._unlink(key, number)  # somebody else came at the same time: both step back, and come again
                return False
            self._held[key] = number
            for one in there:
                self._unlink(key, one)
            self._bury(set(there.values()))
            return True

    def release(self, key: str) -> None:
        """Give a run back, or leave one that is lost."""
        with self._mutex:
            number = self._held.pop(key, None)
            self.lost.discard(key)
            if number is not None and self._holder(key, number) == self.worker:
                self._unlink(key, number)

    def beat(self) -> None:
        """Raise the count, and look whether all that was held still is."""
        with self._mutex:
            self._count += 1
            try:
                with open(self._beat, "r+b") as file:  # in place, which needs no room
                    file.write(self._beat_text().encode())
                    file.flush()
                    os.fsync(file.fileno())
                if not self._id.exists():
                    self._show_up()
            except FileNotFoundError:  # taken for dead
                with suppress(OSError):
                    self._show_up()
            except OSError as error:
                log.warning("%s cannot be written (%s): runs in progress may be taken over", self._beat, error.strerror)
            with suppress(OSError):  # a folder that cannot be looked at takes nothing away
                self._look_after_own()

    def sweep(self) -> None:
        """Look at all that others have there, and delete what belongs to those that are dead by now.

        A lease is taken before it is given back, as it would be for its run, so that it is not taken from two.
        """
        with self._mutex, suppress(OSError):
            for key, worker in leased(self.folder).items():
                if worker != self.worker and key not in self._held and self.take(key):
                    self.release(key)
            names = [path.stem for kind in ("id", "beat") for path in self.folder.glob(f"*.{kind}")]
            others = {name for name in names if WORKER.fullmatch(name)} - {self.worker}
            self._bury([one for one in others if self._is_dead(one, one)])

    def clock(self) -> float:
        """Seconds since 1970 by the clock of the folder's file system, at the last beat."""
        return self._beat.stat().st_mtime

    def _look_after_own(self) -> None:
        names = set(os.listdir(self.folder))
        self._workers = sum(name.endswith(".beat") for name in names)
        for key, number in list(self._held.items()):
            highest = max((int(one[2]) for one in map(LEASE.fullmatch, names) if one and one[1] == key), default=0)
            if highest != number or self._holder(key, number) not in (self.worker, None):
                del self._held[key]
                self.lost.add(key)

    def _show_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._id.write_text(self.worker)
        self._beat.write_text(self._beat_text())

    def _keep_beating(self) -> None:
        while not self._over.wait(self.every):
            self.beat()
            if random.random() * self._workers < SWEEPERS:
                self.sweep()

    def _beat_text(self) -> str:
        return f"{self._count:016d} {self.every:.6g}".ljust(40) + "\n"

    def _leases_of(self, key: str) -> dict[int, str | None]:
        """Number -> who holds it, of all leases of a run that are there; None if that cannot be read."""
        found: dict[int, str | None] = {}
        with suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                if (lease := LEASE.fullmatch(name)) and lease[1] == key:
                    found[int(lease[2])] = self._holder(key, int(lease[2]))
        return found

    def _holder(self, key: str, number: int) -> str | None:
        return _text(self.folder / f"{key}.{number}")

    def _link(self, key: str, number: int) -> bool:
        """Whether the lease of this number is this worker's; a server may deny it that has heard the same before."""
        path = self.folder / f"{key}.{number}"
        try:
            os.link(self._id, path)
        except FileExistsError:
            return self._holder(key, number) == self.worker
        except FileNotFoundError:  # taken for dead, until the next beat
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return self._create(path)
        return True

    def _create(self, path: Path) -> bool:
        """The same where there are no links."""
        try:
            with open(path, "x") as file:
                file.write(self.worker)
        except FileExistsError:
            return False
        return True

    def _unlink(self, key: str, number: int) -> None:
        with suppress(OSError):
            (self.folder / f"{key}.{number}").unlink()

    def _is_dead(self, worker: str | None, lease: str) -> bool:
        """Whether a worker has been looked at often enough without a beat; of one never seen, that begins now.

        lease  stands for a worker that its own does not name
        """
        if worker == self.worker:
            return True  # of a lease that it stepped back from
        known = worker is not None and WORKER.fullmatch(worker) is not None
        name = worker if known and worker is not None else lease
        beat = _text(self.folder / f"{name}.beat") or "" if known else ""
        now, seen = self._now(), self._seen.get(name)
        if seen is None or seen.beat != beat:
            self._seen[name] = _Seen(beat, now)
            return False
        if now - seen.looked >= _every(beat, self.every):
            seen.looked, seen.missed = now, seen.missed + 1
        return seen.missed >= MISSED

    def _bury(self, workers: Iterable[str | None]) -> None:
        """Delete what dead workers have left, unless they still have leases that others will find."""
        with suppress(OSError):
            leases = [lease for name in os.listdir(self.folder) if (lease := LEASE.fullmatch(name))]
            busy = {self._holder(lease[1], int(lease[2])) for lease in leases}
            for worker in {one for one in workers if one and WORKER.fullmatch(one)} - busy - {self.worker}:
                for kind in ("beat", "id"):
                    (self.folder / f"{worker}.{kind}").unlink(missing_ok=True)


def leased(folder: Path) -> Mapping[str, str]:
    """Key -> who holds it, of all runs that there is a lease of, whether its holder lives or not."""
    found: dict[str, tuple[int, str]] = {}
    with suppress(OSError):
        for name in os.listdir(folder):
            lease = LEASE.fullmatch(name)
            if lease and int(lease[2]) > found.get(lease[1], (0, ""))[0]:
                found[lease[1]] = int(lease[2]), _text(folder / name) or ""
    return {key: worker for key, (_, worker) in found.items()}


def beats(folder: Path, worker: str, *, now: float, skew: float = 600.0) -> bool:
    """Whether a worker seems alive to who looks but once: by times of files, where clocks may differ by `skew`."""
    path = folder / f"{worker}.beat"
    try:
        return now - path.stat().st_mtime < MISSED * _every(_text(path) or "", EVERY) + skew
    except OSError:
        return False


def _text(path: Path) -> str | None:
    """The text of a small file; None if it cannot be read."""
    try:
        return read_bytes(path, LARGEST).decode("ascii", errors="replace").strip()
    except UnreadableError:
        return None


def _every(beat: str, otherwise: float) -> float:
    """Seconds between two beats, as the one says whose they are."""
    try:
        said = float(beat.split()[1])
    except (IndexError, ValueError):
        return otherwise
    return said if 0 < said <= LONGEST else otherwise
