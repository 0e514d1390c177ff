"""For each check of methods one that it must reject; the built-in ones are sound."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pbgraph.errors import Interrupted
from pbgraph.methods.base import FitTask, Fitted, Method, Report
from pbgraph.methods.fit import FIT


@dataclass(frozen=True)
class ListSettings:
    layers: tuple[int, ...] = (1, 2)


def states_another_score(task: FitTask) -> Fitted:
    fitted = FIT.fit(task)
    return replace(fitted, selection=replace(fitted.selection, score=0.99))


def centres_what_it_scores(task: FitTask) -> Fitted:
    fitted = FIT.fit(task)

    def predict(store: Any) -> np.ndarray:
        scores = fitted.predict(store)
        return scores - scores.mean(0)

    return replace(fitted, predict=predict)


def draws_elsewhere(task: FitTask) -> Fitted:
    return FIT.fit(replace(task, seed=random.randrange(2**31)))


def starts_otherwise_when_resumed(task: FitTask) -> Fitted:
    begun = task.checkpoint is not None and task.checkpoint.exists()
    if task.checkpoint is not None:
        task.checkpoint.touch()
    return FIT.fit(replace(task, seed=1) if begun else task)


def swallows_interruptions(task: FitTask) -> Fitted:
    def report(news: Report) -> None:
        try:
            task.report(news)
        except Interrupted:
            return

    return FIT.fit(replace(task, report=report))


def is_silent(task: FitTask) -> Fitted:
    return FIT.fit(replace(task, report=lambda _: None))


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
