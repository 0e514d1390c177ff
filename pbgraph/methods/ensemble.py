"""`ensemble`: K plain models whose predictions are averaged: what else could the dendrites' parameters buy?

K is the number of plain models whose parameters come nearest to those of the paired perforated run. The first member
is the run of `backprop`; every other one has random streams of its own and is trained in the same way. Of
classification it is the probabilities that are averaged, of regression the values.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.history import Selection
from pbgraph.methods import roles
from pbgraph.methods.backprop import fit as fit_plain
from pbgraph.methods.base import FitJob, Fitted, Method, Report
from pbgraph.methods.controls import SIZES
from pbgraph.methods.training import (
    TRAIN_SPACE,
    TrainSettings,
    averaged,
    build_model,
    parameter_count,
    refuses_estimators,
)
from pbgraph.methods.widened import paired_parameters
from pbgraph.streams import seed_of

RULE = "every member: best validation score over all epochs"


def members(job: FitJob) -> int:
    """K, at least 1."""
    return max(1, round(paired_parameters(job) / parameter_count(build_model(job))))


def fit(job: FitJob) -> Fitted:
    """Train the members one after the other; a member that was interrupted goes on where it was."""
    count = members(job)
    jobs = [_member(job, number, count) for number in range(count)]
    fitted = [fit_plain(each) for each in jobs]

    def predict(store: Any) -> np.ndarray:
        return averaged([each.predict(store) for each in fitted], job.kind)

    starts = np.cumsum([0, *(each.epochs for each in fitted)]).tolist()
    history = [
        replace(line, epoch=start + line.epoch)
        for start, each in zip(starts[:-1], fitted, strict=True)
        for line in each.history
    ]
    return Fitted(
        predict=predict,
        parameters=sum(each.parameters for each in fitted),
        epochs=starts[-1],
        selection=Selection(RULE, fitted[0].selection.epoch, job.metric(job.valid.y, predict(job.valid))),
        history=tuple(history),
        state=lambda: {"form": "ensemble", "members": [each.state() for each in fitted if each.state is not None]},
        details={"members": count, "member_scores": [each.selection.score for each in fitted]},
        earlier_seconds=sum(each.earlier_seconds for each in fitted),
        sittings=max(each.sittings for each in fitted),
        outputs="probabilities",
    )


def _member(job: FitJob, number: int, count: int) -> FitJob:
    def report(news: Report) -> None:
        job.report(replace(news, fraction=(number + news.fraction) / count))

    return replace(
        job,
        seed=seed_of(job.seed, f"ensemble/{number}") if number else job.seed,
        checkpoint=_own_checkpoint(job.checkpoint, number),
        report=report,
    )


def _own_checkpoint(checkpoint: Path | None, number: int) -> Path | None:
    return checkpoint and checkpoint.with_name(f"{checkpoint.stem}.member-{number}{checkpoint.suffix}")


ENSEMBLE = Method(
    name=roles.ENSEMBLE,
    version=1,
    settings=TrainSettings,
    fit=fit,
    refuses=refuses_estimators,
    source="control: an average of plain models with the parameters of the paired perforated run in all",
    control_of=roles.PERFORATED,
    space={**TRAIN_SPACE, **SIZES},
)
