"""What must hold for every training method, tried on a small classification problem with few epochs.

A method trains the first of `MODELS` that it does not refuse; a control is paired with a run made in the same way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.errors import Interrupted
from pbgraph.features.vectors import VectorStore
from pbgraph.files.hashing import Scalar
from pbgraph.graph import GraphStore
from pbgraph.methods.base import METHODS, FitJob, Fitted, Method, PairedRun, Report, chain
from pbgraph.metrics import ROC_AUC, mean_over_tasks
from pbgraph.models import base as models
from pbgraph.testing.architectures import DIMS
from pbgraph.testing.architectures import molecules as random_molecules
from pbgraph.testing.base import (
    Check,
    checks_of,
    draw_at_random,
    require,
    require_described,
    require_plain_fields,
    require_space,
)

MODELS: Mapping[str, Mapping[str, Scalar]] = {"gin": {"layers": 2}, "random-forest": {"trees": 10}}
TRAIN, VALID, OTHER = 64, 40, 24
SHORT: Mapping[str, Scalar] = {
    "epochs": 3,
    "patience": 3,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "cycle_epochs": 2,
    "max_dendrites": 1,
    "max_tries": 1,
    "dendrite_epochs": 2,
}
INTERRUPTIONS = 6


def method_checks(method: str | Method) -> list[Check[Method]]:
    """All checks of a method, registered under this name or given itself. Raises UsageError for an unknown name."""
    return checks_of(METHODS.get(method) if isinstance(method, str) else method, METHOD_CHECKS)


def job_of(method: Method, **changes: Any) -> FitJob:
    """A job of 64 training and 40 validation molecules with random labels, some of them blank."""
    model = next(one for name in MODELS if method.refuses(one := models.MODELS.get(name)) is None)
    names = {field.name for field in fields(method.settings)}
    job = FitJob(
        model=model,
        config=model.config(**MODELS[model.name]),
        settings=method.settings(**{name: value for name, value in SHORT.items() if name in names}),
        train=store(model, TRAIN, 0),
        valid=store(model, VALID, 1),
        seed=68,
        metric=lambda y, scores: mean_over_tasks(ROC_AUC, y, scores),
        paired=_paired_with(METHODS.get(method.control_of)) if method.control_of and method.reads_pair else None,
    )
    return replace(job, **changes)


def store(model: models.Model, count: int, seed: int) -> Any:
    """Random molecules as the model takes them, with labels of two tasks."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, (count, DIMS.tasks)).astype(np.float32)
    y[4:][random.random((count - 4, DIMS.tasks)) < 0.2] = np.nan
    if isinstance(model, models.Estimator):
        return VectorStore(random.integers(0, 2, (count, 32)).astype(np.uint8), y)
    return GraphStore.from_graphs(random_molecules(random.integers(2, 9, count).tolist(), seed), y)


def _paired_with(method: Method) -> PairedRun:
    """What a control is told of a run of the method that it is matched to."""
    job = job_of(method)
    fitted = method.fit(job)
    return PairedRun(fitted.parameters, fitted.history, fitted.details, asdict(job.settings))


def _outcome(job: FitJob, fitted: Fitted) -> tuple[Any, ...]:
    """What must be the same when a run is done again."""
    scores = fitted.predict(store(job.model, OTHER, 2))
    return scores.tobytes(), fitted.selection, fitted.history, fitted.epochs, fitted.parameters


def check_described(method: Method) -> None:
    """It has a name, a version and a source, and settings that JSON can hold, with a space within them."""
    require_described(method)
    require_plain_fields("settings", method.settings)
    require_space(method.space, *(link.settings for link in chain(method)))


def check_refusal(method: Method) -> None:
    """It trains an architecture or an estimator, and says in words why not the other."""
    answers = {name: method.refuses(models.MODELS.get(name)) for name in MODELS}
    require(None in answers.values(), f"it refuses both {' and '.join(MODELS)}: {answers}")
    blank = [name for name, answer in answers.items() if answer is not None and not answer.strip()]
    require(not blank, f"it refuses {', '.join(blank)} without a reason")


def check_selection(method: Method) -> None:
    """The validation score that it states is that of the predictor which it gives back."""
    job = job_of(method)
    fitted = method.fit(job)
    scores = np.asarray(fitted.predict(job.valid), dtype=np.float64)
    shape = (VALID, DIMS.tasks)
    require(scores.shape == shape and bool(np.isfinite(scores).all()), f"scores are {scores.shape}, finite {shape} due")
    require(fitted.parameters > 0 and fitted.epochs > 0, f"{fitted.parameters} parameters, {fitted.epochs} epochs")
    found = job.metric(job.valid.y, scores)
    require(found == fitted.selection.score, f"selection states {fitted.selection.score}, the predictor has {found}")


def check_test_unseen(method: Method) -> None:
    """Scores of a molecule depend neither on its labels nor on which others are scored beside it."""
    job = job_of(method)
    predict, others = method.fit(job).predict, store(job.model, OTHER, 2)
    together = np.asarray(predict(others), dtype=np.float64)
    blank = replace(others, y=np.full_like(others.y, np.nan))
    require(np.array_equal(predict(blank), predict(others)), "scores change when the labels are taken away")
    few = np.array([3, 1, 8])
    alone = np.asarray(predict(others.select(few)), dtype=np.float64)
    apart = float(np.abs(alone - together[few]).max())
    require(apart < 1e-4, f"scores of a molecule differ by {apart:.1e} when other molecules are scored beside it")


def check_determinism(method: Method) -> None:
    """The same job gives the same predictor, whatever was drawn at random before."""
    found = []
    for _ in range(2):
        draw_at_random()
        job = job_of(method)
        found.append(_outcome(job, method.fit(job)))
    require(found[0] == found[1], "two runs of the same job differ: draw from pbgraph.streams alone")


def check_resuming(method: Method) -> None:
    """Interrupted again and again, it goes on from its checkpoint and ends as if it never had been."""
    expected = _outcome(job_of(method), method.fit(job_of(method)))
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(method, checkpoint=Path(folder) / "state")
        for _ in range(INTERRUPTIONS):
            try:
                method.fit(replace(job, report=_stop))
            except Interrupted:
                continue
            require(False, "an Interrupted that `report` raises does not end the run")
        same = _outcome(job, method.fit(job)) == expected
    require(same, "a run that was interrupted and resumed ends otherwise than one in a single sitting")


def _stop(_: Report) -> None:
    raise Interrupted("asked to stop")


def check_progress(method: Method) -> None:
    """It reports where it is: fractions from 0 to 1 that never fall."""
    heard: list[Report] = []
    method.fit(job_of(method, report=heard.append))
    require(bool(heard), "it never reports")
    fractions = [report.fraction for report in heard]
    rising = fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    require(rising, f"it reports fractions {fractions}, expected numbers from 0 to 1 that never fall")


METHOD_CHECKS: Mapping[str, Callable[[Method], None]] = {
    "described": check_described,
    "refusal": check_refusal,
    "selection": check_selection,
    "test-unseen": check_test_unseen,
    "determinism": check_determinism,
    "resuming": check_resuming,
    "progress": check_progress,
}
