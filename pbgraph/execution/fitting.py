"""What a run is trained on and how: data, split, model and method put together, up to the fitted model.

Nothing in here scores a test row. `pbgraph.execution.runner` does, once, and `pbgraph.execution.validation` never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from pbgraph.datasets.load import load
from pbgraph.errors import DataError, PbgraphError, UsageError
from pbgraph.execution.numerics import numeric_platform
from pbgraph.execution.options import RunOptions as RunOptions
from pbgraph.execution.origins import code_of
from pbgraph.execution.provenance import package_versions, source_code
from pbgraph.features.base import FEATURISERS, Store
from pbgraph.features.preparation import WholeFeatures, fitted_to
from pbgraph.features.stored import featurised
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.methods.base import METHODS, FitJob, Fitted, PairedRun, Report
from pbgraph.methods.restore import whole_state
from pbgraph.metrics import METRICS, Metric, mean_over_tasks
from pbgraph.models.base import MODELS, Estimator, file_versions
from pbgraph.molecules import Molecules
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.pairs import kept
from pbgraph.results.records import RunSpec
from pbgraph.splits import SPLITS, Split
from pbgraph.stages import stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Data of one run: molecules, featurised store and split."""

    molecules: Molecules
    store: Store
    split: Split


@lru_cache(maxsize=1)  # more would keep features in memory that the next model has no use for
def _loaded(
    dataset_name: str, featuriser: str, options: RunOptions, _files: tuple[str, ...]
) -> tuple[Molecules, Store]:
    dataset = dataset_of(dataset_name, ResultsFolder(options.results))
    molecules = load(dataset, folder=options.data, offline=options.offline)
    with stage("featurising"):
        return molecules, featurised(FEATURISERS.get(featuriser), molecules, code=partial(code_of, "featuriser"))


def prepare(spec: RunSpec, options: RunOptions) -> Prepared:
    """Load, featurise and split the data of a run."""
    featuriser = FEATURISERS.get(spec.featuriser)
    _check_files(spec, featuriser.file_versions())
    molecules, store = _loaded(spec.task, featuriser.name, options, tuple(featuriser.file_versions().values()))
    with stage("splitting"):
        return Prepared(molecules, store, SPLITS.get(spec.split).split(molecules, spec.split_seed))


def of_raw_rows(fitted: Fitted, whole: WholeFeatures | None, device: str) -> Fitted:
    """The fitted model for rows as a featuriser makes them."""
    if whole is None:
        return fitted
    return replace(
        fitted,
        predict=lambda store: fitted.predict(on_device(whole(store), device)),
        state=fitted.state and whole_state(whole, fitted.state),
    )


def fit_as_planned(method: str, job: FitJob, metric: Metric) -> Fitted:
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


def fit_job(
    spec: RunSpec, data: Prepared, options: RunOptions, *, device: str, report: Callable[[Report], None]
) -> tuple[FitJob, WholeFeatures | None]:
    """All that the method of a run may know: training and validation rows, on the device, and no test row.

    And what has to be made of other rows before its model can predict them, if anything has.
    """
    model, method, metric = MODELS.get(spec.model), METHODS.get(spec.method), METRICS.get(spec.metric)
    _check_files(spec, file_versions(model))
    train, whole = fitted_to(data.store.select(data.split.train), metric.kind)
    valid = data.store.select(data.split.valid)
    job = FitJob(
        model=model,
        config=model.config(**spec.model_config),
        settings=method.settings(**spec.settings),
        train=on_device(train, device),
        valid=on_device(valid if whole is None else whole(valid), device),
        seed=spec.seed,
        metric=partial(mean_over_tasks, metric),
        kind=metric.kind,
        device=device,
        paired=_paired(spec, options),
        checkpoint=ResultsFolder(options.results).checkpoint_path(spec),
        platform=(platform := str(numeric_platform(device))),
        code=(code := _code(spec)),
        first_phases=_first_phases(spec, data, options, by=(platform, code)),
        report=report,
    )
    return job, whole


def _code(spec: RunSpec) -> str:
    """The hash of all code that a run is made by: this package's, that of its components, and versions of libraries."""
    kinds = ("task", "split", "featuriser", "model", "method", "metric")
    of_others = [code_of(kind, getattr(spec, kind)) for kind in kinds]
    return sha256(canonical_json([source_code(), package_versions(), of_others]))


def _first_phases(spec: RunSpec, data: Prepared, options: RunOptions, *, by: tuple[str, str]) -> Path | None:
    """The folder of first neuron phases of all runs on these data; by: a numeric platform, and code.

    None for methods of other packages, of which is not known what they do before that phase.
    """
    if code_of("method", spec.method):
        return None
    versions = {name: version for name, version in spec.versions.items() if name not in ("method", "model")}
    data_of = [spec.task, spec.split, spec.split_seed, spec.featuriser, spec.metric, data.molecules.sha256]
    said = sha256(canonical_json([*data_of, versions, *by]))
    return ResultsFolder(options.results).first_phases_path / said[:16]


def _check_files(spec: RunSpec, now: Mapping[str, str]) -> None:
    """Raises DataError if a file of the model or its features is not the one that the run was planned with.

    now  the hashes of all, as a spec's versions have them
    """
    for name, digest in now.items():
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
    if spec.control_of is None or not METHODS.get(spec.method).reads_pair:
        return None
    if options.pairs is None:
        record, place = ResultsFolder(options.results).finished(spec.task, spec.control_of), options.results
    else:
        record, place = kept(options.pairs, spec.control_of), options.pairs
    if record is None or record.cost is None:
        raise PbgraphError(f"{spec.arm} is a control of run {spec.control_of}, which has no finished record in {place}")
    return PairedRun(record.cost.parameters, record.history, record.details, record.spec.settings)


def device_of(spec: RunSpec, device: str) -> str:
    """Where the run computes, if networks do on `device`: estimators know the CPU alone."""
    return "cpu" if isinstance(MODELS.get(spec.model), Estimator) else device


def on_device(store: Store, device: str) -> Store:
    """The store, its arrays on the device."""
    return store if device == "cpu" else store.to(device)
