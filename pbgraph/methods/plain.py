"""Training without dendrites: one stretch of epochs, or several with a restart between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import cast

from pbgraph.dendrites.settings import Restart, check_restart
from pbgraph.fields import LATER
from pbgraph.history import Selection
from pbgraph.methods import first_phase
from pbgraph.methods.base import FitJob, Fitted
from pbgraph.methods.optimizers import make_optimizer, set_rate
from pbgraph.methods.restore import network_saver
from pbgraph.methods.session import Best, Session
from pbgraph.methods.training import (
    TrainSettings,
    build_model,
    make_loss,
    make_predictor,
    parameter_count,
    rate_factor,
    steps_per_epoch,
    train_step,
    validation_score,
)

RULE = "best validation score over all epochs"


@dataclass(frozen=True, kw_only=True)
class CycleSettings(TrainSettings):
    """Settings of gradient training that restarts.

    restart  learning rate at which cycles after the first begin: "peak"; "end", that of the first cycle's last step; or
             a factor on the peak. Their schedules go from there
    """

    restart: Restart = field(default="peak", metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_restart(self.restart)


def train_in_cycles(
    job: FitJob, *, lengths: Sequence[int], patience: int | None, restart: Restart = "peak", span: int | None = None
) -> Fitted:
    """Train the plain model for cycles of the given lengths and keep the epoch with the best validation score.

    lengths   epochs of each cycle. The learning-rate schedule spans the cycle; in the first it spans
              settings.epochs even if the cycle is shorter, so that arms agree up to the first restart
    span      epochs that the schedule of every later cycle spans, where that is not the cycle itself
    patience  stop after so many epochs without a new best, or None to use all epochs
    restart   see `CycleSettings`

    A new cycle starts from the best weights so far with a fresh optimiser, as a perforated run does when it
    switches phase.
    """
    settings: TrainSettings = job.settings
    model, best, loss_fn = build_model(job), Best(), make_loss(job)
    optimizer = make_optimizer(settings, model)(model.parameters())
    starts = [0, *accumulate(lengths)]
    session = Session(
        job,
        {"model": model, "optimizer": optimizer, "best": best},
        longest=starts[-1],
        status=lambda: ("neuron", best.score, 0),
    )
    if not session.begun and (first := first_phase.known(job, longest=lengths[0], patience=patience)):
        model.load_state_dict(first.weights)
        for line in first.lines:
            best.offer(model, cast(float, line.valid), line.epoch)
        session.go_on_after(first.lines, first.seconds)
    while session.epoch < starts[-1] and (patience is None or session.epoch - 1 - best.epoch < patience):
        cycle = max(c for c, start in enumerate(starts[:-1]) if start <= session.epoch)
        if cycle > 0 and (session.epoch, session.step) == (starts[cycle], 0):
            best.restore(model)
            optimizer.state.clear()
        factor = rate_factor(settings, steps_per_epoch(job), (span or lengths[cycle]) if cycle else settings.epochs)
        peak = settings.learning_rate * (_restarted(job, lengths[0], restart) if cycle else 1.0)
        for batch in session.batches():
            set_rate(optimizer, peak * factor(session.steps - starts[cycle] * steps_per_epoch(job)))
            session.add_loss(train_step(model, optimizer, loss_fn, batch=batch, settings=settings))
        score = validation_score(model, job, session.epoch)
        best.offer(model, score, session.epoch)
        session.end_epoch(phase="neuron", dendrites=0, valid=score, learning_rate=optimizer.param_groups[0]["lr"])
        first_phase.keep_at_its_end(job, session, best.weights, longest=lengths[0], patience=patience)
    best.restore(model)
    return Fitted(
        predict=make_predictor(model, job),
        state=network_saver(model, job),
        parameters=parameter_count(model),
        epochs=session.epoch,
        selection=Selection(RULE, best.epoch, best.score),
        history=tuple(session.history),
        earlier_seconds=session.earlier_seconds,
        sittings=session.sittings,
    )


def _restarted(job: FitJob, first: int, restart: Restart) -> float:
    """Factor on the learning rate of later cycles, after a first one of so many epochs."""
    if restart == "peak":
        return 1.0
    steps = steps_per_epoch(job)
    return rate_factor(job.settings, steps, job.settings.epochs)(first * steps - 1) if restart == "end" else restart
