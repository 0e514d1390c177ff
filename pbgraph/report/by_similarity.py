"""Scores of a table's test rows by how similar they are to training: from predictions, the data and the split.

A random split has a near twin in training for many of its test rows, so a mean over all of them says little about
molecules that are new. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

import numpy as np

from pbgraph.errors import DataError
from pbgraph.features.nearness import Nearness, nearness
from pbgraph.metrics import METRICS, Metric, mean_over_tasks
from pbgraph.molecules import Molecules
from pbgraph.report.bootstrap import hierarchical_bootstrap
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import Interval
from pbgraph.report.tables import Statistic, Table, statistic
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import Predicted, paired_predictions
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS

HIGH, LOW = 0.8, 0.5  # similarities at which bands begin; chosen before anything was looked at
BANDS = ("shares a parent compound", f"{HIGH} or more", f"{LOW} to {HIGH}", f"below {LOW}", "all")
RESAMPLES = 1000


@dataclass(frozen=True)
class Band:
    """What a band's scores are of: means over splits.

    molecules  of the test rows
    targets    for which the metric is defined
    positives  of such a target; None of regression
    """

    name: str
    molecules: float
    targets: float
    positives: float | None


@dataclass(frozen=True)
class Scores:
    """Of one arm, for each band: mean over targets with both classes, and then as a table's, over what has some."""

    arm: Arm
    label: str
    seeds: int
    bands: tuple[Statistic | None, ...]


@dataclass(frozen=True)
class Pair:
    """Mean differences a - b, for each band, with bootstrap intervals over splits, runs and molecules."""

    a: Arm
    b: Arm
    bands: tuple[tuple[float, Interval | None] | None, ...]


@dataclass(frozen=True)
class BySimilarity:
    """The table that this is a view of, bands, a row for each arm with a finished run, and its comparisons.

    tasks  targets of the data
    """

    table: Table
    tasks: int
    bands: tuple[Band, ...]
    rows: tuple[Scores, ...]
    pairs: tuple[Pair, ...]

    @property
    def places(self) -> tuple[tuple[int | None, ...], ...]:
        """Of each row the place by its mean in every band, 1 for the best; None where it has no score."""
        columns = zip(*([score and score.mean for score in row.bands] for row in self.rows), strict=True)
        return tuple(zip(*(_places(column, self.table.margin.sign) for column in columns), strict=True))

    @property
    def agreement(self) -> tuple[float | None, ...]:
        """Kendall's tau-b between the order of the rows in each band and over all test rows; None where one is flat."""
        from scipy.stats import kendalltau

        found: list[float | None] = []
        *bands, every = zip(*self.places, strict=True)
        for band in (*bands, every):
            both = [pair for pair in zip(band, every, strict=True) if None not in pair]
            tau = float(kendalltau(*zip(*both, strict=True)).statistic) if len(both) > 1 else float("nan")
            found.append(None if tau != tau else tau)
        return tuple(found)


def _places(means: Sequence[float | None], sign: int) -> list[int | None]:
    """The place of each, 1 for the best.

    >>> _places([0.8, None, 0.9, 0.8], 1)
    [2, None, 1, 2]
    """
    known = [sign * mean for mean in means if mean is not None]
    return [None if mean is None else 1 + sum(other > sign * mean for other in known) for mean in means]


def by_similarity(
    table: Table,
    records: Sequence[RunRecord],
    results: ResultsFolder,
    molecules: Molecules,
    *,
    done: Callable[[int], None] = lambda _: None,
) -> BySimilarity:
    """The scores of a table's arms and seeds, band by band.

    records    that the table was made of; molecules: of its task
    done       told how many pairs of arms more were compared
    Raises FileNotFoundError for predictions that are not there; DataError for those that are not of these data.
    """
    seeds = table.protocol.seeds
    finished = {(r.spec.arm, r.spec.seed): r for r in records if r.status == "finished" and r.spec.seed in seeds}
    metric = METRICS.get(table.protocol.metric.split()[0])
    bands = _Bands(molecules)
    rows, counted = [], dict[str, list[tuple[int, int, float | None]]]()
    for row in table.rows:
        mine = [record for (arm, _), record in finished.items() if arm == row.arm]
        if not mine:
            continue
        scores: list[list[float | None]] = []
        for record in mine:
            predicted = paired_predictions(results, record, record)
            parts = list(bands.of(record, predicted))
            scores.append([mean_over_tasks(metric, part.y, part.a) for part in parts])
            counted.setdefault(record.provenance.split_sha256, [_counts(metric, part) for part in parts])
        of_bands = tuple(statistic(mine, values) for values in zip(*scores, strict=True))
        rows.append(Scores(row.arm, row.label, len(mine), of_bands))
    pairs = []
    for comparison in table.comparisons:
        pairs.append(_pair(comparison, finished, results, bands, metric=metric))
        done(1)
    described = tuple(
        _band(name, counts) for name, counts in zip(BANDS, zip(*counted.values(), strict=True), strict=True)
    )
    return BySimilarity(table, len(molecules.tasks), described, tuple(rows), tuple(pairs))


class _Bands:
    """Cuts the test rows of runs on some molecules into bands; each split is compared with its training rows once."""

    def __init__(self, molecules: Molecules) -> None:
        self._molecules = molecules
        self._places = {name: row for row, name in enumerate(molecules.mol_ids)}
        self._known = lru_cache(maxsize=None)(self._nearness)

    def of(self, record: RunRecord, predicted: Predicted) -> Iterator[Predicted]:
        """The rows of each band, and all of them."""
        near = self._known(record.spec.split, record.spec.split_seed, record.provenance.split_sha256)
        if predicted.mol_ids:
            band = np.array([near.get(self._places.get(name, -1), -1) for name in predicted.mol_ids])
        else:
            test = list(near)  # in the order of the split
            band = np.array([near[test[place]] if 0 <= place < len(test) else -1 for place in predicted.places])
        if (band < 0).any():
            raise DataError(f"predictions of run {record.key} are not of the test rows of its split; restore them")
        for number in range(len(BANDS) - 1):
            yield predicted.select(np.flatnonzero(band == number))
        yield predicted

    def _nearness(self, split: str, seed: int | None, digest: str) -> dict[int, int]:
        """Row -> number of its band, of the test rows. Raises DataError for another split than was recorded."""
        parts = SPLITS.get(split).split(self._molecules, seed)
        if parts.sha256 != digest:
            raise DataError(
                f"split {split}, seed {seed}, of {self._molecules.dataset} is not the one that its runs were made "
                "with: the data or the split have changed; restore them, or run again"
            )
        near = nearness(self._molecules, parts.test, parts.train)
        return dict(zip(map(int, parts.test), bands_of(near), strict=True))


def bands_of(near: Nearness) -> list[int]:
    """The number of each molecule's band in `BANDS`.

    >>> bands_of(Nearness((1.0, 0.8, 0.79, 0.5, 0.1), (True, False, False, False, False)))
    [0, 1, 2, 2, 3]
    """
    return [
        0 if relative else 1 if similarity >= HIGH else 2 if similarity >= LOW else 3
        for similarity, relative in zip(near.similarity, near.relative, strict=True)
    ]


def _counts(metric: Metric, part: Predicted) -> tuple[int, int, float | None]:
    """Molecules, targets for which the metric is defined, and positives per such target."""
    defined = [y for y, score in zip(part.y.T, part.a.T, strict=True) if metric.score(y, score) is not None]
    positives = fmean([float(np.nansum(y)) for y in defined]) if defined else 0.0
    return len(part.y), len(defined), positives if metric.kind == "classification" else None


def _band(name: str, counts: Sequence[tuple[int, int, float | None]]) -> Band:
    positives = [count for _, _, count in counts if count is not None]
    return Band(
        name,
        fmean([molecules for molecules, _, _ in counts]),
        fmean([targets for _, targets, _ in counts]),
        fmean(positives) if positives else None,
    )


def _pair(
    comparison: Comparison,
    finished: dict[tuple[Arm, int], RunRecord],
    results: ResultsFolder,
    bands: _Bands,
    *,
    metric: Metric,
) -> Pair:
    a, b = comparison.a, comparison.b
    runs = [finished[a, seed] for seed in comparison.seeds]
    by_seed = [
        list(bands.of(run, paired_predictions(results, run, finished[b, seed])))
        for run, seed in zip(runs, comparison.seeds, strict=True)
    ]
    return Pair(a, b, tuple(_difference(runs, parts, metric) for parts in zip(*by_seed, strict=True)))


def _difference(
    runs: Sequence[RunRecord], parts: Sequence[Predicted], metric: Metric
) -> tuple[float, Interval | None] | None:
    """Of the rows of one band; a seed in which the metric is undefined for every target is left out."""
    differences = [
        None if a is None or b is None else a - b
        for part in parts
        for a, b in [(mean_over_tasks(metric, part.y, part.a), mean_over_tasks(metric, part.y, part.b))]
    ]
    found = statistic(runs, differences)
    if found is None:
        return None
    scored = [part for part, difference in zip(parts, differences, strict=True) if difference is not None]
    return found.mean, hierarchical_bootstrap(scored, metric, resamples=RESAMPLES)
