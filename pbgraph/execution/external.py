"""From a file of predictions that another tool made to a RunRecord: scored on our rows by our metrics, beside our runs.

An external result is called after the tool; its spec says on which split and with which seed the tool was run, so that
it is paired with the runs of that seed. What the tool did is not known: there is no selection, cost or history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.load import load
from pbgraph.errors import UsageError
from pbgraph.execution.options import RunOptions
from pbgraph.execution.origins import Origins, origins_of
from pbgraph.execution.provenance import provenance
from pbgraph.execution.runner import exclusive_run
from pbgraph.execution.scoring import scored_parts
from pbgraph.methods.roles import EXTERNAL
from pbgraph.metrics import METRICS, SplitScore, metrics_of
from pbgraph.molecules import Molecules
from pbgraph.prediction.foreign import ForeignPredictions, read_foreign
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import write_predictions
from pbgraph.results.record_checks import name_problem
from pbgraph.results.records import RunRecord, RunSpec, ScoredFile
from pbgraph.splits import SPLITS, Split

VERSION = 1  # of how a file of predictions is scored
UNKNOWN = 0  # version of what is the tool's own
FEATURES = "its own"  # what the tool's features are called
DEVICE = "not known"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is told of an external result beside its predictions.

    name    of the tool, with its version, and what was set otherwise: the name of the row
    preset  beside whose runs it stands
    pretrained_on  on what else it was trained, as its user states it; "" if on nothing
    id, smiles  columns of the file, where they are not called as usual
    features    what the features are called that it saw
    """

    name: str
    preset: str
    pretrained_on: str = ""
    id: str | None = None
    smiles: str | None = None
    features: str = FEATURES


def score_file(
    path: Path, dataset: Dataset, options: RunOptions, told: Told, *, split: str, seed: int
) -> tuple[RunRecord, bool]:
    """Score a file of predictions and write its record; returns it, and whether it is new.

    seed  of the split, or where that has none, by which runs of the tool are told apart
    Raises UsageError for a name that cannot be one, and if this row has another result for this seed; errors as of
    `read_foreign` and `ForeignPredictions.scores`.
    """
    check_name(told)
    molecules = load(dataset, folder=options.data, offline=options.offline)
    spec = external_spec(dataset, told, split=split, seed=seed)
    parts = SPLITS.get(split).split(molecules, spec.split_seed)
    given = read_foreign(path, dataset, molecules, name=told.id, smiles=told.smiles)
    which = f"split {split}" + f", seed {seed}" * (spec.split_seed is not None)
    predicted = _predicted(given, molecules, parts, which=which)
    scored = Scored(spec, dataset, molecules, parts, predicted, ScoredFile(given.file, given.sha256))
    return written(scored, ResultsFolder(options.results), pretrained_on=told.pretrained_on)


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions that are to become a result: part -> (n, T), and where they are from.

    mean_of  keys of the runs that they are the mean of, if they are
    """

    spec: RunSpec
    dataset: Dataset
    molecules: Molecules
    split: Split
    predicted: Mapping[str, np.ndarray]
    file: ScoredFile
    mean_of: tuple[str, ...] = ()


def check_name(told: Told) -> None:
    """Raises UsageError for a name that no row can have."""
    if wrong := name_problem("the tool", told.name):
        raise UsageError(f"--name: {wrong}")


def written(scored: Scored, results: ResultsFolder, *, pretrained_on: str) -> tuple[RunRecord, bool]:
    """The record of these predictions, and whether it is new.

    Raises UsageError if there is one of others already.
    """
    spec = scored.spec
    with exclusive_run(results.lock_path(spec), lambda _: None):
        if (there := results.finished(spec.task, spec.key)) is not None:
            _check_same(there, scored.file, results)
            return there, False
        record = _record(scored, results)
        origin = replace(
            record.provenance, scored_from=scored.file, pretrained_on=pretrained_on, mean_of=scored.mean_of
        )
        record = replace(record, provenance=origin)
        results.write(record)
    return record, True


def external_spec(dataset: Dataset, told: Told, *, split: str, seed: int) -> RunSpec:
    """What an external result is, whatever was predicted."""
    splitter, metric = SPLITS.get(split), METRICS.get(dataset.metric)
    return RunSpec(
        task=dataset.name,
        split=split,
        split_seed=seed if splitter.seeded else None,
        model=told.name,
        method=EXTERNAL,
        seed=seed,
        metric=dataset.metric,
        featuriser=told.features,
        preset=told.preset,
        model_config={},
        settings={},
        versions={
            "task": dataset.version,
            "split": splitter.version,
            "metric": metric.version,
            "method": VERSION,
            "model": UNKNOWN,
            "featuriser": UNKNOWN,
        },
    )


def _predicted(given: ForeignPredictions, molecules: Molecules, split: Split, *, which: str) -> dict[str, np.ndarray]:
    """What was predicted of the test rows, and of the validation rows if all of them are there."""
    found = {"test": given.scores(molecules, split.test, f"test ({which})")}
    if given.has_all(split.valid):
        found["valid"] = given.scores(molecules, split.valid, f"validation ({which})")
    return found


def _record(scored: Scored, results: ResultsFolder) -> RunRecord:
    spec, molecules, tasks = scored.spec, scored.molecules, scored.molecules.tasks
    labels = {part: molecules.y[getattr(scored.split, part)] for part in scored.predicted}
    found = scored_parts(labels, scored.predicted, tasks, kind=scored.dataset.kind)
    nothing = SplitScore(len(scored.split.valid), dict.fromkeys(found.metrics, None), {})
    origin = provenance(
        device="cpu",
        molecules=molecules,
        featuriser=spec.featuriser,
        split_sha256=scored.split.sha256,
        origins=_origins(spec, scored.dataset),
    )
    path = results.predictions_path(spec)
    return RunRecord(
        spec=spec,
        status="finished",
        provenance=replace(origin, device=DEVICE, threads=0, numerics=None, libraries={}),
        scores={"valid": nothing, **found.scores},
        metrics=found.metrics,
        thresholds=found.thresholds,
        predictions=path.name,
        predictions_sha256=write_predictions(path, labels["test"], found.kept, tasks=tasks),
    )


def _origins(spec: RunSpec, dataset: Dataset) -> Origins:
    """The code that took part: of the data, the split and the metrics. The tool's is not known."""
    names = [metric.name for metric in metrics_of(dataset.kind)]
    origins = origins_of(spec, {"task": dataset}, names)
    kinds = ("featuriser", "model", "method")
    components = {name: packages for name, packages in origins.components.items() if name not in kinds}
    mine = {package for packages in components.values() for package in packages}
    return Origins(components, {name: code for name, code in origins.sources.items() if name in mine})


def _check_same(there: RunRecord, file: ScoredFile, results: ResultsFolder) -> None:
    """Raises UsageError if the result that is there was scored from other content."""
    said = there.provenance.scored_from
    if said is None or said.sha256 != file.sha256:
        raise UsageError(
            f"{results.root} has a result of {there.spec.arm}, seed {there.spec.seed}, already, of other predictions "
            f"({said}); give this one another --name, or move that away with 'rm {there.key}'"
        )
