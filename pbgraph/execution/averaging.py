"""The average of arms, as a row of its own: what a network and a forest predict together, say.

Of classification it is the mean of the probabilities that are kept of the runs of a seed, of regression the mean of
values. Nothing is trained and nothing chosen: every arm counts alike. The result is external, as one that another tool
made from the runs' predictions; it names the runs, so that whoever has them can average again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.load import load
from pbgraph.errors import DataError, UsageError
from pbgraph.execution.external import Scored, Told, check_name, external_spec, written
from pbgraph.execution.options import RunOptions
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.metrics import Kind
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import as_kept, cells_of_test, is_earlier
from pbgraph.results.records import RunRecord, ScoredFile
from pbgraph.splits import SPLITS

FEATURES = "of its runs"  # what an average's features are called


def average_by_seed(
    by_seed: Mapping[int, Sequence[RunRecord]], dataset: Dataset, options: RunOptions, *, name: str | None = None
) -> Iterator[tuple[RunRecord, bool]]:
    """Of every seed, the record of what its finished runs predict together, and whether it is new.

    by_seed  runs of the same arms, one of each
    name     of the row; None: its arms
    Raises UsageError unless there are two arms at least, and each of them once; and as `average`.
    """
    arms = [str(run.spec.arm) for run in next(iter(by_seed.values()))]
    if len(set(arms)) < max(2, len(arms)):
        raise UsageError(f"{' and '.join(arms) or 'no arm'}: an average takes two arms at least, and each of them once")
    ResultsFolder(options.results).check_writable()
    called = " + ".join(arm.replace("/", " ") for arm in arms) if name is None else name
    for runs in by_seed.values():
        yield average(runs, dataset, options, Told(name=called, preset=runs[0].spec.preset, features=FEATURES))


def average(runs: Sequence[RunRecord], dataset: Dataset, options: RunOptions, told: Told) -> tuple[RunRecord, bool]:
    """Average finished runs of one seed, two at least, and write the record; returns it, and whether it is new.

    Raises DataError if predictions are not there or of other splits, UsageError for a name that cannot be one and if
    the row has another result for this seed.
    """
    check_name(told)
    first = runs[0].spec
    molecules = load(dataset, folder=options.data, offline=options.offline)
    spec = replace(external_spec(dataset, told, split=first.split, seed=first.seed), split_seed=first.split_seed)
    parts, results = SPLITS.get(first.split).split(molecules, first.split_seed), ResultsFolder(options.results)
    y, mean = mean_of(results, runs, dataset.kind)
    labels = molecules.y[parts.test]
    measured = ~np.isnan(labels)
    if not np.array_equal(y, labels[measured]):
        raise DataError(f"predictions of runs {_named(runs)} are not of the test rows that the data give; restore both")
    predicted = np.full(labels.shape, np.nan)
    predicted[measured] = mean
    hashes = sha256(canonical_json([run.predictions_sha256 for run in runs]))
    file, keys = ScoredFile(f"runs {_named(runs)}", hashes), tuple(run.key for run in runs)
    scored = Scored(spec, dataset, molecules, parts, {"test": predicted}, file, mean_of=keys)
    pretrained = "; ".join(dict.fromkeys(filter(None, (run.provenance.pretrained_on for run in runs))))
    return written(scored, results, pretrained_on=pretrained)


def mean_of(results: ResultsFolder, runs: Sequence[RunRecord], kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """Of the measured cells of the test rows, in the order of their files: labels (m,), and the mean of the runs (m,).

    Raises DataError if a file is not there, not its record's, or of other cells than the others.
    """
    labels, scores = zip(*(_cells(results, run, kind) for run in runs), strict=True)
    if any(not np.array_equal(y, labels[0]) for y in labels):
        raise DataError(f"predictions of runs {_named(runs)} are not of the same cells: they had different splits")
    return labels[0], np.asarray(np.mean(scores, axis=0))


def _cells(results: ResultsFolder, run: RunRecord, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    try:
        cells = cells_of_test(results, run)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} is not there, and {run.spec.arm} is to be averaged; restore it") from error
    y, scores = (cells.column(name).to_numpy() for name in ("y", "score"))
    kept = as_kept(run.spec, scores, kind) if is_earlier(cells) else scores
    return y, np.asarray(kept, np.float64)


def _named(runs: Sequence[RunRecord]) -> str:
    return " and ".join(run.key for run in runs)
