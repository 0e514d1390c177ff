"""From a RunSpec to a RunRecord: the only place where data, split, model, method and scores come together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pbgraph.errors import DataError, Interrupted, PbgraphError, UsageError
from pbgraph.execution.fitting import (
    Prepared,
    RunOptions,
    device_of,
    fit_as_planned,
    fit_job,
    of_raw_rows,
    on_device,
    prepare,
)
from pbgraph.execution.memory import peak_bytes, reset_peak
from pbgraph.execution.numerics import deterministic
from pbgraph.execution.origins import Origins, imported, origins_of
from pbgraph.execution.provenance import package_versions, provenance, source_code, source_tree
from pbgraph.execution.scoring import scored_parts
from pbgraph.features.base import FEATURISERS
from pbgraph.features.composed import reads_columns
from pbgraph.files.locks import exclusive, try_exclusive
from pbgraph.methods.base import Fitted, Report
from pbgraph.metrics import METRICS, metrics_of
from pbgraph.prediction.saved import SavedModel, write_model
from pbgraph.probabilities import of_logits
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import DIGEST, write_insight
from pbgraph.results.predictions import write_predictions
from pbgraph.results.progress import published
from pbgraph.results.records import Cost, Provenance, RunRecord, RunSpec
from pbgraph.stages import heard
from pbgraph.streams import seeded

log = logging.getLogger(__name__)

Train = Callable[[RunSpec, RunOptions, str, Callable[[Report], None]], RunRecord]


@dataclass(frozen=True)
class Trained:
    """A fitted model, and what its record has to say of how it came about.

    earlier  libraries that were imported before; started: by the monotonic clock
    """

    fitted: Fitted
    data: Prepared
    device: str
    origins: Origins
    earlier: tuple[str, ...]
    started: float

    def provenance(self, spec: RunSpec) -> Provenance:
        """Of the record."""
        return _provenance(spec, self.data, self.device, origins=self.origins, earlier=self.earlier)

    def cost(self) -> Cost:
        """Until now."""
        return _cost(self.fitted, time.monotonic() - self.started)


def run(
    spec: RunSpec, options: RunOptions, *, device: str = "cpu", report: Callable[[Report], None] = lambda _: None
) -> RunRecord:
    """Do one run, or take it up where it was left, and write its record.

    Returns the record at once if the run is finished already; waits while another process is doing it, unless a lease
    says that none is. If one was after all, and came first, its record is returned.
    What goes wrong inside the run becomes a failed record. Raises Interrupted, with the state saved, if
    `report` does; DataError if the data cannot be had; OSError if the record cannot be written.
    """
    results = ResultsFolder(options.results)
    with _alone(results.lock_path(spec), options, report):
        record = results.finished(spec.task, spec.key)
        if record is None:
            record = _done(spec, options, device, report)
        results.drop_checkpoints(spec)  # if it was finished already: of a run that was killed right after its record
    return record


def _done(spec: RunSpec, options: RunOptions, device: str, report: Callable[[Report], None]) -> RunRecord:
    """Do the run and write its record; what another machine has written in the meantime is returned instead."""
    results = ResultsFolder(options.results)
    try:
        with published(results, spec, report) as tell:
            record = attempted(_train_and_score, spec, options, device=device, report=tell)
    except FileExistsError:
        if (earlier := results.finished(spec.task, spec.key)) is None:
            raise
        return earlier
    return results.write_first(record)


@contextmanager
def _alone(lock: Path, options: RunOptions, report: Callable[[Report], None]) -> Iterator[None]:
    """Hold the run's lock, as `exclusive_run` does; under a lease, only if it is free, to show that the run is on."""
    if not options.leased:
        with exclusive_run(lock, report):
            yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    give_back = try_exclusive(lock)
    try:
        yield
    finally:
        if give_back is not None:
            give_back()


def failed(spec: RunSpec, options: RunOptions, error: str, *, device: str = "cpu") -> RunRecord:
    """Write and return the record of a run that could not report its own failure; another process may have done it.

    The record says nothing of the data, which are not loaded: what killed a worker would then kill its parent.
    """
    results = ResultsFolder(options.results)
    with _alone(results.lock_path(spec), options, lambda _: None):
        record = results.finished(spec.task, spec.key)
        if record is None:
            record = results.write_first(failure(spec, options, error, data=None, device=device_of(spec, device)))
    return record


def attempted(
    train: Train, spec: RunSpec, options: RunOptions, *, device: str, report: Callable[[Report], None]
) -> RunRecord:
    """The record that `train` gives, or one that says how it failed; what is wrong outside of the run is raised."""
    try:
        return train(spec, options, device, report)
    except (Interrupted, DataError, UsageError, OSError):
        raise
    except Exception as error:
        log.error("%s, seed %s, failed: %s", spec.arm, spec.seed, error, exc_info=not isinstance(error, PbgraphError))
        error_text = f"{type(error).__name__}: {error}"
        return failure(spec, options, error_text, data=_data_of(spec, options), device=device_of(spec, device))


def _data_of(spec: RunSpec, options: RunOptions) -> Prepared | None:
    """The data of a run that has failed; None where not even they can be prepared."""
    try:
        return prepare(spec, options)
    except Exception as problem:
        log.warning("%s, seed %s: its record says nothing of the data: %s", spec.arm, spec.seed, problem)
        return None


def failure(spec: RunSpec, options: RunOptions, error: str, *, data: Prepared | None, device: str) -> RunRecord:
    """A failed record; without data, it says nothing of them."""
    return RunRecord(spec, "failed", _provenance(spec, data, device, origins=_origins(spec, options)), error=error)


@contextmanager
def exclusive_run(lock: Path, report: Callable[[Report], None]) -> Iterator[None]:
    """Hold the run's lock; while another process has it, wait, reporting now and then."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(lock, lambda: report(Report("waiting for another process")), every=0.5):
        yield


@contextmanager
def trained(spec: RunSpec, options: RunOptions, *, device: str, report: Callable[[Report], None]) -> Iterator[Trained]:
    """The model of a run, trained and selected; the block is within the run's own stream of randomness."""
    started, earlier = time.monotonic(), tuple(imported())
    origins = _origins(spec, options)  # what the modules of this process are, before anyone can edit or commit
    reset_peak()
    device = device_of(spec, device)
    deterministic(device)
    with ExitStack() as stack:
        stack.enter_context(heard(lambda news: report(Report(news.name, share=news.share))))
        data = prepare(spec, options)
        stack.enter_context(seeded(spec.seed, "run"))
        job, whole = fit_job(spec, data, options, device=device, report=report)
        fitted = of_raw_rows(fit_as_planned(spec.method, job, METRICS.get(spec.metric)), whole, device)
        yield Trained(fitted, data, device, origins, earlier, started)


def _train_and_score(spec: RunSpec, options: RunOptions, device: str, report: Callable[[Report], None]) -> RunRecord:
    with trained(spec, options, device=device, report=report) as outcome:
        fitted, data = outcome.fitted, outcome.data
        scores = {
            part: np.asarray(fitted.predict(on_device(data.store.select(index), outcome.device)), dtype=np.float64)
            for part, index in (("valid", data.split.valid), ("test", data.split.test))
        }
    results = ResultsFolder(options.results)
    if (earlier := results.finished(spec.task, spec.key)) is not None:  # of another machine, to which a lease was lost
        return earlier
    if options.save_models:
        _save_model(spec, options, fitted=fitted, tasks=data.molecules.tasks)
    tasks, kind = data.molecules.tasks, METRICS.get(spec.metric).kind
    labels = {part: data.store.y[getattr(data.split, part)] for part in scores}
    logits = kind == "classification" and fitted.outputs == "logits"
    values = {part: of_logits(mine) if logits else mine for part, mine in scores.items()}
    scored = scored_parts(labels, values, tasks, kind=kind, selected_by=scores["valid"])
    path, details = results.predictions_path(spec), fitted.details
    if fitted.dendrites is not None:
        details = {**details, DIGEST: write_insight(results.dendrites_path(spec), fitted.dendrites)}
    return RunRecord(
        spec=spec,
        status="finished",
        provenance=outcome.provenance(spec),
        selection=fitted.selection,
        scores=scored.scores,
        metrics=scored.metrics,
        thresholds=scored.thresholds,
        cost=outcome.cost(),
        history=tuple(line.rounded for line in fitted.history),
        predictions=path.name,
        predictions_sha256=write_predictions(path, labels["test"], scored.kept, tasks=tasks),
        details=details,
        correlations=fitted.correlations,
    )


def _save_model(spec: RunSpec, options: RunOptions, *, fitted: Fitted, tasks: tuple[str, ...]) -> None:
    if fitted.state is None:
        log.warning("%s: its models cannot be saved; their predictions are in the results all the same", spec.arm)
        return
    results = ResultsFolder(options.results)
    dataset, commit = dataset_of(spec.task, results), source_tree()[0]
    columns = dataset.graph_columns if reads_columns(FEATURISERS.get(spec.featuriser)) else ()
    facts = SavedModel(
        spec, tasks, dataset.kind, dataset.smiles_column, package_versions(), commit, graph_columns=columns
    )
    write_model(results.model_path(spec), facts, fitted.state())


def _origins(spec: RunSpec, options: RunOptions) -> Origins:
    source_tree()
    source_code()
    dataset = dataset_of(spec.task, ResultsFolder(options.results))
    return origins_of(spec, {"task": dataset}, [metric.name for metric in metrics_of(dataset.kind)])


def _provenance(
    spec: RunSpec, data: Prepared | None, device: str, *, origins: Origins, earlier: Iterable[str] = ()
) -> Provenance:
    featuriser = FEATURISERS.get(spec.featuriser)
    return provenance(
        device=device,
        molecules=data.molecules if data else None,
        featuriser=f"{featuriser.name} v{featuriser.version}",
        split_sha256=data.split.sha256 if data else "",
        origins=origins,
        earlier=earlier,
        pretrained_on=featuriser.pretrained_on() if data and featuriser.pretrained_on else "",
    )


def _cost(fitted: Fitted, seconds: float) -> Cost:
    return Cost(
        parameters=fitted.parameters,
        epochs=fitted.epochs,
        seconds=fitted.earlier_seconds + seconds,
        peak_memory_bytes=peak_bytes(),
        sittings=fitted.sittings,
    )
