"""How far a run in progress is, told to whoever looks at the results folder from outside.

The process that does a run keeps a small file beside its saved state, at most one version of it a second, each of them
whole. It is gone when the run is over, and stays where a state is left to go on from. Whether a run is in progress is
said by its lock, and by the lease on it where machines share the folder.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from pbgraph.files.hashing import canonical_json
from pbgraph.files.locks import is_held
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded, read_bytes
from pbgraph.files.writing import replaced_file
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.leases import beats, leased
from pbgraph.results.record_checks import MOST, MOST_SECONDS
from pbgraph.results.records import RunSpec

if TYPE_CHECKING:
    from pbgraph.methods.base import Report

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two versions of the file
LARGEST = MEBIBYTE  # of the file
STARTING = "starting"  # the phase before the first report
OF_STAGE = ("phase", "share")
SAID = ("phase", "epoch", "best", "dendrites", "fraction", "epochs", "share")  # of what a run reports


@dataclass(frozen=True)
class RunProgress:
    """Which run it is, and what it last said of itself; for `phase` to `share` see `pbgraph.methods.base.Report`.

    began, first  when this sitting first reported of training, and the fraction it had then; None before that
    reported  when this was said; both in seconds since 1970
    """

    task: str
    split: str
    preset: str
    arm: str
    seed: int
    metric: str
    control_of: str | None
    reported: float
    phase: str = STARTING
    epoch: int = 0
    best: float | None = None
    dendrites: int = 0
    fraction: float = 0.0
    epochs: int | None = None
    share: float | None = None
    began: float | None = None
    first: float = 0.0


def read_progress(results: ResultsFolder, key: str) -> RunProgress | None:
    """What a run has said of itself; None if it has said nothing, or nothing that can be believed."""
    try:
        progress = decoded(read_bytes(results.progress_path(key), LARGEST), RunProgress)
    except (UnreadableError, RecursionError):
        return None
    times = (progress.began or 0.0, progress.reported)
    counts = (progress.epoch, progress.dendrites, progress.epochs or 0)
    sane = all(0 <= share <= 1 for share in (progress.fraction, progress.first, progress.share or 0.0))
    sane = sane and all(0 <= seconds <= MOST_SECONDS for seconds in times)
    return progress if sane and all(0 <= count <= MOST for count in counts) else None


def in_progress(results: ResultsFolder, *, now: float | None = None) -> list[str]:
    """Keys of the runs that somebody is at: whose lock is held, or whose lease is that of a worker that seems alive.

    now  seconds since 1970, if it is not now
    """
    when = time.time() if now is None else now
    held = {key for key, lock in results.locks().items() if is_held(lock)}
    elsewhere = leased(results.leases_path).items()
    return sorted(held | {key for key, worker in elsewhere if beats(results.leases_path, worker, now=when)})


@contextmanager
def published(
    results: ResultsFolder, spec: RunSpec, report: Callable[[Report], None], *, now: Callable[[], float] = time.time
) -> Iterator[Callable[[Report], None]]:
    """Gives what is to be called instead of `report`: it writes the file as well, as long as the block lasts.

    A file that cannot be written is missed by nobody but those who look on: the run goes on.
    """
    said = RunProgress(
        spec.task,
        spec.split,
        spec.preset,
        str(spec.arm),
        spec.seed,
        metric=spec.metric,
        control_of=spec.control_of,
        reported=now(),
    )
    _write(results, spec.key, said)

    def tell(news: Report) -> None:
        nonlocal said
        when, last = now(), said.reported
        if said.began is None and news.trains:
            said = replace(said, began=when, first=news.fraction)
        if not 0 <= when - last < EVERY:
            names = SAID if news.trains else OF_STAGE  # what is said in between leaves the epoch as it was
            said = replace(said, reported=when, **{name: getattr(news, name) for name in names})
            _write(results, spec.key, said)
        report(news)

    try:
        yield tell
    finally:
        if not results.saved_state(spec.key):
            with suppress(OSError):  # where it could not be written, it is not there
                results.progress_path(spec.key).unlink()


def _write(results: ResultsFolder, key: str, said: RunProgress) -> None:
    try:
        with replaced_file(results.progress_path(key)) as part:
            part.write_bytes(canonical_json(msgspec.to_builtins(said)))
    except OSError as error:
        log.info("nobody is told how far run %s is: %s", key, error)
