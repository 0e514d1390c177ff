"""For each check of methods one that it must reject; the built-in ones are sound."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pbgraph.errors import Interrupted
from pbgraph.methods.base import FitJob, Fitted, Method, Report
from pbgraph.methods.fit import FIT


@dataclass(frozen=True)
class ListSettings:
    layers: tuple[int, ...] = (1, 2)


def states_another_score(job: FitJob) -> Fitted:
    fitted = FIT.fit(job)
    return replace(fitted, selection=replace(fitted.selection, score=0.99))


def centres_what_it_scores(job: FitJob) -> Fitted:
    fitted = FIT.fit(job)

    def predict(store: Any) -> np.ndarray:
        scores = fitted.predict(store)
        return scores - scores.mean(0)

    return replace(fitted, predict=predict)


def draws_elsewhere(job: FitJob) -> Fitted:
    return FIT.fit(replace(job, seed=random.randrange(2**31)))


def starts_otherwise_when_resumed(job: FitJob) -> Fitted:
    begun = job.checkpoint is not None and job.checkpoint.exists()
    if job.checkpoint is not None:
        job.checkpoint.touch()
    return FIT.fit(replace(job, seed=1) if begun else job)


def swallows_interruptions(job: FitJob) -> Fitted:
    def report(news: Report) -> None:
        try:
            job.report(news)
        except Interrupted:
            return

    return FIT.fit(replace(job, report=report))


def is_silent(job: FitJob) -> Fitted:
    return FIT.fit(replace(job, report=lambda _: None))


MUTANTS: dict[str, Method] = {
    "described": replace(FIT, settings=ListSettings),
    "refusal": replace(FIT, refuses=lambda _: "no"),
    "selection": replace(FIT, fit=states_another_score),
    "test-unseen": replace(FIT, fit=centres_what_it_scores),
    "determinism": replace(FIT, fit=draws_elsewhere),
    "resuming": replace(FIT, fit=starts_otherwise_when_resumed),
    "progress": replace(FIT, fit=is_silent),
}
DEAF = replace(FIT, fit=swallows_interruptions)
