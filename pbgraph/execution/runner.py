"""From a RunSpec to a RunRecord: the only place where data, split, model, method and scores come together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from pbgraph.datasets.load import load
from pbgraph.errors import DataError, Interrupted, PbgraphError, UsageError
from pbgraph.execution.memory import peak_bytes, reset_peak
from pbgraph.execution.numerics import deterministic
from pbgraph.execution.origins import Origins, code_of, imported, origins_of
from pbgraph.execution.provenance import package_versions, provenance, source_tree
from pbgraph.features.base import FEATURISERS, Store
from pbgraph.features.stored import featurised
from pbgraph.files.locks import exclusive
from pbgraph.methods.base import METHODS, FitJob, Fitted, PairedRun, Report
from pbgraph.metrics import METRICS, Metric, mean_over_tasks, metrics_of, split_score
from pbgraph.models.base import MODELS, Estimator, Model, file_versions
from pbgraph.molecules import Molecules
from pbgraph.prediction.saved import SavedModel, write_model
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import DIGEST, write_insight
from pbgraph.results.predictions import write_predictions
from pbgraph.results.progress import published
from pbgraph.results.records import Cost, Provenance, RunRecord, RunSpec
from pbgraph.splits import SPLITS, Split
from pbgraph.streams import seeded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOptions:
    """What a run takes beside its spec, and does not depend on: none of it is in the key.

    results      where records go
    data         where data are looked for first; None: the usual places
    offline      whether to fetch nothing
    save_models  whether to keep trained models beside their records
    """

    results: Path
    data: Path | None = None
    offline: bool = False
    save_models: bool = False


@dataclass(frozen=True)
class Prepared:
    """Data of one run: molecules, featurised store and split."""

    molecules: Molecules
    store: Store
    split: Split


def run(
    spec: RunSpec, options: RunOptions, *, device: str = "cpu", report: Callable[[Report], None] = lambda _: None
) -> RunRecord:
    """Do one run, or take it up where it was left, and write its record.

    Returns the record at once if the run is finished already; waits while another process is doing it.
    What goes wrong inside the run becomes a failed record. Raises Interrupted, with the state saved, if
    `report` does; DataError if the data cannot be had; OSError if the record cannot be written.
    """
    results = ResultsFolder(options.results)
    with _exclusive(results.lock_path(spec), report):
        found = results.finished(spec.task, spec.key)
        if found is not None:
            results.drop_checkpoints(spec)  # of a run that was killed right after its record
            return found
        try:
            with published(results, spec, report) as tell:
                record = _train_and_score(spec, options, device, tell)
        except (Interrupted, DataError, UsageError, OSError):
            raise
        except Exception as error:
            log.error(
                "%s, seed %s, failed: %s", spec.arm, spec.seed, error, exc_info=not isinstance(error, PbgraphError)
            )
            record = _failure(spec, options, device, f"{type(error).__name__}: {error}")
        results.write(record)
        results.drop_checkpoints(spec)
    return record


def failed(spec: RunSpec, options: RunOptions, error: str, *, device: str = "cpu") -> RunRecord:
    """Write and return the record of a run that could not report its own failure; another process may have done it.

    The record says nothing of the data, which are not loaded: what killed a worker would then kill its parent.
    """
    results = ResultsFolder(options.results)
    with _exclusive(results.lock_path(spec), lambda _: None):
        record = results.finished(spec.task, spec.key)
        if record is None:
            origin = _provenance(spec, None, _device_of(spec, device), _origins(spec, options))
            record = RunRecord(spec, "failed", origin, error=error)
            results.write(record)
    return record


def _failure(spec: RunSpec, options: RunOptions, device: str, error: str) -> RunRecord:
    """A failed record; where even the data cannot be prepared, it says nothing of them."""
    try:
        device = _device_of(spec, device)
        data = prepare(spec, options)
    except Exception as problem:
        log.warning("%s, seed %s: its record says nothing of the data: %s", spec.arm, spec.seed, problem)
        data = None
    return RunRecord(spec, "failed", _provenance(spec, data, device, _origins(spec, options)), error=error)


@contextmanager
def _exclusive(lock: Path, report: Callable[[Report], None]) -> Iterator[None]:
    """Hold the run's lock; while another process has it, wait, reporting now and then."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(lock, lambda: report(Report("waiting for another process", 0, None, 0, 0.0)), every=0.5):
        yield


def _train_and_score(spec: RunSpec, options: RunOptions, device: str, report: Callable[[Report], None]) -> RunRecord:
    started, earlier = time.monotonic(), imported()
    origins = _origins(spec, options)  # what the modules of this process are, before anyone can edit or commit
    reset_peak()
    device = _device_of(spec, device)
    deterministic(device)
    data, metric = prepare(spec, options), METRICS.get(spec.metric)
    metrics = metrics_of(metric.kind)
    with seeded(spec.seed, "run"):
        fitted = _fitted(spec.method, _fit_job(spec, data, options, device, report), metric)
        predictions = {
            name: (index, np.asarray(fitted.predict(_on(data.store.select(index), device)), dtype=np.float64))
            for name, index in (("valid", data.split.valid), ("test", data.split.test))
        }
    if options.save_models:
        _save_model(spec, options, fitted, data.molecules.tasks)
    tasks = data.molecules.tasks
    scores = {
        name: split_score(data.store.y[index], score, tasks, metrics) for name, (index, score) in predictions.items()
    }
    results = ResultsFolder(options.results)
    path, details = results.predictions_path(spec), fitted.details
    if fitted.dendrites is not None:
        details = {**details, DIGEST: write_insight(results.dendrites_path(spec), fitted.dendrites)}
    return RunRecord(
        spec=spec,
        status="finished",
        provenance=_provenance(spec, data, device, origins, earlier),
        selection=fitted.selection,
        scores=scores,
        metrics={one.name: one.version for one in metrics},
        cost=_cost(fitted, time.monotonic() - started),
        history=fitted.history,
        predictions=path.name,
        predictions_sha256=write_predictions(path, data.molecules, tasks, predictions),
        details=details,
    )


def _fitted(method: str, job: FitJob, metric: Metric) -> Fitted:
    """What comes of training; what a method refuses only then is this run's failure, and none of the whole plan's.

    A run that fails on what it was taken up from starts again: a checkpoint may hold what no run has saved.
    """
    fit, resumed = METHODS.get(method).fit, job.checkpoint is not None and job.checkpoint.exists()
    try:
        return fit_in_own_direction(fit, job, metric)
    except UsageError as error:
        raise PbgraphError(str(error)) from error
    except (PbgraphError, OSError):
        raise
    except Exception as error:
        if not resumed or job.checkpoint is None:
            raise
        log.warning("starting again without %s: %s: %s", job.checkpoint, type(error).__name__, error)
        for path in job.checkpoint.parent.glob(f"{job.checkpoint.stem}*{job.checkpoint.suffix}"):
            path.unlink()
    return fit_in_own_direction(fit, job, metric)


def _save_model(spec: RunSpec, options: RunOptions, fitted: Fitted, tasks: tuple[str, ...]) -> None:
    if fitted.state is None:
        log.warning("%s: its models cannot be saved; their predictions are in the results all the same", spec.arm)
        return
    results = ResultsFolder(options.results)
    dataset, commit = dataset_of(spec.task, results), source_tree()[0]
    facts = SavedModel(spec, tasks, dataset.kind, dataset.smiles_column, package_versions(), commit)
    write_model(results.model_path(spec), facts, fitted.state())


@lru_cache(maxsize=1)  # more would keep features in memory that the next model has no use for
def _loaded(dataset_name: str, featuriser: str, options: RunOptions) -> tuple[Molecules, Store]:
    dataset = dataset_of(dataset_name, ResultsFolder(options.results))
    molecules = load(dataset, folder=options.data, offline=options.offline)
    code = code_of("featuriser", featuriser)
    return molecules, featurised(FEATURISERS.get(featuriser), molecules, code=code)


def prepare(spec: RunSpec, options: RunOptions) -> Prepared:
    """Load, featurise and split the data of a run."""
    molecules, store = _loaded(spec.task, spec.featuriser, options)
    return Prepared(molecules, store, SPLITS.get(spec.split).split(molecules, spec.split_seed))


def _fit_job(
    spec: RunSpec, data: Prepared, options: RunOptions, device: str, report: Callable[[Report], None]
) -> FitJob:
    model, method, metric = MODELS.get(spec.model), METHODS.get(spec.method), METRICS.get(spec.metric)
    _check_files(spec, model)
    return FitJob(
        model=model,
        config=model.config(**spec.model_config),
        settings=method.settings(**spec.settings),
        train=_on(data.store.select(data.split.train), device),
        valid=_on(data.store.select(data.split.valid), device),
        seed=spec.seed,
        metric=partial(mean_over_tasks, metric),
        kind=metric.kind,
        device=device,
        paired=_paired(spec, options),
        checkpoint=ResultsFolder(options.results).checkpoint_path(spec),
        report=report,
    )


def _check_files(spec: RunSpec, model: Model) -> None:
    """Raises DataError if a file that the model is built from is not the one that the run was planned with."""
    for name, digest in file_versions(model).items():
        if spec.versions.get(name) != digest:
            raise DataError(
                f"{name} of model {spec.model!r} has changed: its sha256 is {digest}, and run {spec.key} was planned "
                f"with {spec.versions.get(name)}; restore it, or start again, which makes other runs"
            )


def fit_in_own_direction(fit: Callable[[FitJob], Fitted], job: FitJob, metric: Metric) -> Fitted:
    """Fit by a method, which maximises, a job whose metric and reports are in the metric's own direction.

    The only place where signs of scores are turned, there and back.
    """
    if metric.larger_is_better:
        return fit(job)
    turned = replace(
        job,
        metric=lambda y, scores: _negative(job.metric(y, scores)),
        report=lambda news: job.report(replace(news, best=_negative(news.best))),
    )
    fitted = fit(turned)
    return replace(
        fitted,
        selection=replace(fitted.selection, score=_negative(fitted.selection.score)),
        history=tuple(replace(line, valid=_negative(line.valid)) for line in fitted.history),
    )


def _negative(score: float | None) -> float | None:
    return None if score is None else -score


def _paired(spec: RunSpec, options: RunOptions) -> PairedRun | None:
    """The run that a control is matched to, without its scores: a training method sees no test score."""
    if spec.control_of is None:
        return None
    record = ResultsFolder(options.results).finished(spec.task, spec.control_of)
    if record is None or record.cost is None:
        raise PbgraphError(
            f"{spec.arm} is a control of run {spec.control_of}, which has no finished record in {options.results}"
        )
    return PairedRun(record.cost.parameters, record.history, record.details)


def _origins(spec: RunSpec, options: RunOptions) -> Origins:
    source_tree()
    dataset = dataset_of(spec.task, ResultsFolder(options.results))
    return origins_of(spec, {"task": dataset}, [metric.name for metric in metrics_of(dataset.kind)])


def _provenance(
    spec: RunSpec, data: Prepared | None, device: str, origins: Origins, earlier: Iterable[str] = ()
) -> Provenance:
    featuriser = FEATURISERS.get(spec.featuriser)
    return provenance(
        device=device,
        molecules=data.molecules if data else None,
        featuriser=f"{featuriser.name} v{featuriser.version}",
        split_sha256=data.split.sha256 if data else "",
        origins=origins,
        earlier=earlier,
    )


def _device_of(spec: RunSpec, device: str) -> str:
    """Where the run computes, if networks do on `device`: estimators know the CPU alone."""
    return "cpu" if isinstance(MODELS.get(spec.model), Estimator) else device


def _on(store: Store, device: str) -> Store:
    return store if device == "cpu" else store.to(device)


def _cost(fitted: Fitted, seconds: float) -> Cost:
    return Cost(
        parameters=fitted.parameters,
        epochs=fitted.epochs,
        seconds=fitted.earlier_seconds + seconds,
        peak_memory_bytes=peak_bytes(),
        sittings=fitted.sittings,
    )
