"""The first neuron phase, trained once for all arms that have it in common.

With the same network, seed, data and settings of training, plain training, dendrites of every kind and their controls
do the same, bit for bit, until the first of them restarts. So whoever comes to its end leaves what the others need:

    results/.work/first/<data>/<key>-<epochs>.safetensors    weights of the best epoch, each epoch's line, seconds

and the others go on from there. A record is the same either way, and its seconds count as if the phase had been trained
for it. The folder can be deleted at any time, which costs training; what cannot be read is trained again.
`FitJob.first_phases` names it, by all that runs on the same data share; None: every run trains its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from torch import Tensor

from pbgraph.dendrites.switching import BestScore, EarlyStopping
from pbgraph.fields import field_names, told
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.reading import MEBIBYTE
from pbgraph.files.state_file import load_state, save_state
from pbgraph.history import Epoch
from pbgraph.methods.base import FitJob
from pbgraph.methods.session import Session
from pbgraph.methods.training import TrainSettings

LARGEST = 512 * MEBIBYTE  # of all files together; those used longest ago go first
NOT_OF_IT = {"patience"}  # settings that say when it ends, not what is done in it

log = logging.getLogger(__name__)


class Ends(TypedDict):
    """When it ends: after so many epochs at the most, and after `patience` of them without a new best score."""

    longest: int
    patience: int | None


@dataclass(frozen=True)
class FirstPhase:
    """What is left of it: weights by name in the plain network, in its order; a line for every epoch; its seconds."""

    weights: Mapping[str, Tensor]
    lines: tuple[Epoch, ...]
    seconds: float


def length(scores: Sequence[float | None], *, longest: int, patience: int | None) -> int | None:
    """Epochs of a phase with these validation scores; None if it goes on after them.

    >>> length([0.7, 0.8, 0.8, 0.7, 0.9], longest=9, patience=2), length([0.7, 0.8], longest=9, patience=2)
    (4, None)
    """
    best, stopping = BestScore(), EarlyStopping(patience, longest)
    for epoch, score in enumerate(scores):
        if stopping.after_epoch(score is not None and best.update(score, epoch)):
            return epoch + 1
    return None


def known(job: FitJob, *, longest: int, patience: int | None) -> FirstPhase | None:
    """The first phase of this job, of so many epochs at the most, if a run has left it.

    patience  epochs without a new best score after which it ends, or None
    """
    if job.first_phases is None:
        return None
    for path in sorted(job.first_phases.glob(f"{_key(job)}-*.safetensors")):
        try:
            state = load_state(path)
            lines = tuple(Epoch(**line) for line in state["lines"])
            first = FirstPhase(state["weights"], lines, float(state["seconds"]))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("not used: %s: %s", path, error)
            continue
        if length([line.valid for line in lines], longest=longest, patience=patience) == len(lines):
            with suppress(OSError):
                os.utime(path)
            return first
    return None


def keep_at_its_end(
    job: FitJob, session: Session, weights: Mapping[str, Tensor], *, longest: int, patience: int | None
) -> None:
    """Leave the first phase for others if it is over with the last epoch; weights: of the best epoch."""
    if job.first_phases is None or session.epoch > longest:
        return
    if length([line.valid for line in session.history], longest=longest, patience=patience) == session.epoch:
        _keep(job, job.first_phases, FirstPhase(weights, tuple(session.history), session.seconds))


def _keep(job: FitJob, folder: Path, first: FirstPhase) -> None:
    """Write it; a folder that cannot be written costs a warning."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "weights": dict(first.weights),
            "lines": [asdict(line) for line in first.lines],
            "seconds": first.seconds,
        }
        save_state(state, folder / f"{_key(job)}-{len(first.lines)}.safetensors")
        _make_room(folder.parent)
    except OSError as error:
        log.warning("a first phase is not kept: %s", error)


def _key(job: FitJob) -> str:
    """First 16 hex digits of the SHA-256 of all that decides what is done in the phase, beside the data."""
    names = sorted(field_names(TrainSettings) - NOT_OF_IT)
    settings = {name: getattr(job.settings, name) for name in names}
    said = [job.model.name, job.model.version, told(type(job.config), asdict(job.config)), job.seed, job.kind, settings]
    return sha256(canonical_json(said))[:16]


def _make_room(folder: Path) -> None:
    """Delete the files that were used longest ago, until the others are within `LARGEST`."""
    files = []
    for path in folder.glob("*/*.safetensors"):
        with suppress(OSError):  # another process was faster
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LARGEST:
            return
        with suppress(OSError):
            path.unlink()
        total -= size
