"""One training run in progress: its position, its history, and how it is saved and taken up again.

All randomness of a step is a function of (seed, epoch, step), so a position and the state of a few parts are
all that a run needs to go on bit for bit after ``kill -9``.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pbgraph.dendrites.copies import copied
from pbgraph.files.state_file import load_state, save_state
from pbgraph.graph import GraphBatch
from pbgraph.history import Epoch, Phase
from pbgraph.methods.base import FitJob, Report
from pbgraph.methods.training import graphs_of, steps_per_epoch
from pbgraph.streams import draw_from, generator

SAVE_EVERY = 45.0  # seconds; the promise is 60
REPORT_EVERY = 0.25  # seconds
FORMAT_VERSION = 5  # of the saved state; raise it when an older one can no longer be taken over

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """What a session saves: a module, an optimiser, a `Best`, a `Growth`."""

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, as `pbgraph.files.state_file` can keep it."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Take over a saved state."""
        ...


class Best:
    """The weights with the best validation score so far; an equal score is no improvement.

    score  that score, or None before the first epoch; epoch  when it was reached (0-based)
    """

    def __init__(self) -> None:
        self.score: float | None = None
        self.epoch = -1
        self._weights: dict[str, Tensor] = {}

    def offer(self, model: nn.Module, score: float, epoch: int) -> None:
        """Keep the model's weights if `score` beats all earlier ones."""
        if self.score is None or score > self.score:
            self.score, self.epoch = score, epoch
            self._weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Of that epoch, by name."""
        return self._weights

    def restore(self, model: nn.Module) -> None:
        """Give the model the best weights."""
        model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Score, epoch and weights."""
        return {"score": self.score, "epoch": self.epoch, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.score, self.epoch, self._weights = state["score"], state["epoch"], dict(state["weights"])


class Session:
    """Hands out epochs and batches, remembers where it is, saves and resumes.

    job      what is trained; its checkpoint file is read here if it exists
    parts    name -> object with state_dict and load_state_dict
    longest  largest number of epochs the run can take, for the time estimate
    status   () -> (phase, best validation score, dendrites per site) for progress reports

    epoch, step  the position: the next step to be done is number `step` of epoch number `epoch`, both 0-based
    """

    def __init__(
        self,
        job: FitJob,
        parts: dict[str, Stateful],
        *,
        longest: int,
        status: Callable[[], tuple[Phase, float | None, int]],
    ) -> None:
        self.job, self.parts, self.longest, self.status = job, parts, longest, status
        self.epoch = self.step = 0
        self.history: list[Epoch] = []
        self.earlier_seconds, self.sittings = 0.0, 1
        self._loss = torch.zeros((), dtype=torch.float64)
        self._started = self._saved = time.monotonic()
        self._reported = -REPORT_EVERY
        self._resume()

    @property
    def begun(self) -> bool:
        """Whether any step has been done, in this sitting or an earlier one."""
        return (self.epoch, self.step) != (0, 0)

    @property
    def seconds(self) -> float:
        """Since the start of the run, without pauses."""
        return self.earlier_seconds + time.monotonic() - self._started

    def go_on_after(self, lines: Sequence[Epoch], seconds: float) -> None:
        """Count epochs as done that another run has done just so, with the seconds that they took it."""
        self.history, self.epoch = list(lines), len(lines)
        self.earlier_seconds += seconds

    @property
    def steps(self) -> int:
        """Training steps done since the start of the run."""
        return self.epoch * steps_per_epoch(self.job) + self.step

    def batches(self, parts: Sequence[np.ndarray] | None = None) -> Iterator[GraphBatch]:
        """The rest of this epoch's shuffled training batches; after each, the run may be saved.

        parts  rows of each batch, `steps_per_epoch` of them; None: all rows, shuffled
        """
        size, train = int(self.job.settings.batch_size), graphs_of(self.job.train)
        order = torch.randperm(len(train), generator=generator(self.job.seed, f"shuffle/{self.epoch}")).numpy()
        while self.step < steps_per_epoch(self.job):
            draw_from(self.job.seed, f"dropout/{self.epoch}/{self.step}")
            rows = order[self.step * size : (self.step + 1) * size] if parts is None else parts[self.step]
            yield train.batch(np.ascontiguousarray(rows))
            self.step += 1
            self._tick()

    def add_loss(self, loss: Tensor) -> None:
        """Count one step's loss towards the epoch's mean."""
        self._loss += loss.detach().to("cpu", torch.float64)

    def end_epoch(self, *, save: bool = False, **line: Any) -> None:
        """Write the epoch's line of history and go to the next epoch; `save` at a phase switch."""
        mean = float(self._loss) / max(self.step, 1)
        self.history.append(Epoch(epoch=self.epoch, train_loss=mean, **line))
        self.epoch, self.step = self.epoch + 1, 0
        self._loss.zero_()
        if save:
            self.save()

    def save(self) -> None:
        """Write the checkpoint now."""
        self._saved = time.monotonic()
        if self.job.checkpoint is not None:
            save_state(self._state(), self.job.checkpoint)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._saved > SAVE_EVERY:
            self.save()
        if now - self._reported > REPORT_EVERY:
            self._reported = now
            self._report()

    def _report(self) -> None:
        phase, best, dendrites = self.status()
        fraction = min(self.steps / max(self.longest * steps_per_epoch(self.job), 1), 1.0)
        try:
            self.job.report(Report(phase, self.epoch, best, dendrites, fraction, self.longest))
        except BaseException:
            self.save()
            raise

    def _state(self) -> dict[str, Any]:
        return {
            "layout": FORMAT_VERSION,
            "file": self.job.checkpoint.name if self.job.checkpoint else "",
            "platform": self.job.platform,
            "code": self.job.code,
            "epoch": self.epoch,
            "step": self.step,
            "loss": self._loss,
            "history": [[getattr(line, name) for name in Epoch.__dataclass_fields__] for line in self.history],
            "seconds": self.seconds,
            "sittings": self.sittings,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }

    def _resume(self) -> None:
        file = self.job.checkpoint
        if file is None or not os.path.lexists(file):
            return
        before = {name: copied(part.state_dict()) for name, part in self.parts.items()}
        try:
            self._take_over(load_state(file), file)
        except Exception as error:  # whatever a part makes of a state that is not its own
            log.warning("starting again from the first epoch: %s", error)
            for name, part in self.parts.items():
                part.load_state_dict(before[name])

    def _take_over(self, state: dict[str, Any], file: Path) -> None:
        """Go on from a saved state. Raises one of many errors if it is of something else."""
        if state.get("layout") != FORMAT_VERSION:
            raise ValueError(f"{file} was saved by another version of pbgraph")
        if state["file"] != file.name:
            raise ValueError(f"{file} was saved as {state['file']!r}, for another run")
        if state["platform"] != self.job.platform:  # half of each would be the numbers of neither
            raise ValueError(f"{file} was saved on platform {state['platform']!r}, and this is {self.job.platform!r}")
        if state["code"] != self.job.code:
            raise ValueError(f"{file} was saved by other code than this, or with other versions of libraries")
        history = [Epoch(*line) for line in state["history"]]
        if not 0 <= state["step"] <= steps_per_epoch(self.job) or state["epoch"] != len(history):
            raise ValueError(f"{file} is at no step that a run comes to")
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.epoch, self.step, self._loss, self.history = state["epoch"], state["step"], state["loss"], history
        self.earlier_seconds, self.sittings = state["seconds"], state["sittings"] + 1
