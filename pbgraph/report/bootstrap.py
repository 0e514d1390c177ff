"""The hierarchical bootstrap: how a mean over runs would vary with other splits, other runs and other molecules.

Splits are drawn with replacement, runs within them where a split has several, and the molecules of each test set.

Source: Davison & Hinkley 1997, ch. 3.8 (bootstrap of nested data).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from pbgraph.metrics import Metric
from pbgraph.report.stats import CONFIDENCE, Interval

if TYPE_CHECKING:
    from pbgraph.results.predictions import Predicted

RESAMPLES = 2000
AT_ONCE = 2**23  # rows, over all resamples that are looked at together: 64 MiB of weights


def hierarchical_bootstrap(
    seeds: Sequence[Predicted],
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> Interval | None:
    """Percentile interval of the mean difference a - b in a metric's mean over tasks.

    Seeds are resampled, and molecules, as `Draws` has it. A task where the metric is undefined for the resampled
    rows is left out of that resample's mean, and so is a seed where it is undefined for every task. None if no resample
    has any left.
    seed  of the resampling, so that the same predictions give the same interval
    done  told how many seeds more were resampled
    Raises ValueError without a seed.
    """
    if not seeds:
        raise ValueError("no seed to resample")
    draws = Draws(test_sets(seeds), resamples, seed)
    differences = []
    for place, predicted in enumerate(seeds):
        differences.append(_molecule_bootstrap(predicted, metric, resamples, random=draws.of_molecules(place)))
        done(1)
    means = draws.means(np.stack(differences))
    if np.isnan(means).all():
        return None
    low, high = np.nanquantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


class Draws:
    """Which seeds are drawn in each of many resamples, and which resamples of their molecules stand for them.

    Molecules are drawn for each seed anew, or where several share a test set, for these together, since what is
    particular to those molecules is so in every seed. What is drawn with replacement are test sets, and of each, where
    it has several seeds, as many of these: a split counts once, however many initialisations there are on it. Where all
    seeds share one test set, seeds are drawn.
    sets  the number of each seed's test set, from 0
    """

    def __init__(self, sets: Sequence[int], resamples: int, seed: int) -> None:
        self._sets, self._resamples, self._seed = sets, resamples, seed
        self._random, self._shared = np.random.default_rng(seed), max(sets) + 1 < len(sets)

    def of_molecules(self, place: int) -> np.random.Generator:
        """What draws the molecules of a seed; to be asked of one after the other, before `means`."""
        return np.random.default_rng([self._seed, self._sets[place]]) if self._shared else self._random

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Units and resamples of their molecules, each (units, resamples), and of each unit its seeds."""
        one = max(self._sets) == 0
        units = [[place] for place in range(len(self._sets))] if one else _places(self._sets)
        drawn = self._random.integers(len(units), size=(len(units), self._resamples))
        same = one and self._shared
        column = np.arange(self._resamples) if same else self._random.integers(self._resamples, size=drawn.shape)
        within = [
            np.array(places)[self._random.integers(len(places), size=(len(places), self._resamples))]
            if len(places) > 1
            else np.full((1, self._resamples), places[0])
            for places in units
        ]
        return drawn, column, within

    def means(self, values: np.ndarray) -> np.ndarray:
        """(resamples,): means over what is drawn of (seeds, resamples); NaN is left out, and comes where all is NaN."""
        drawn, column, within = self._drawn
        by_unit = np.stack([mean_of_defined(values[places, np.arange(self._resamples)]) for places in within])
        return mean_of_defined(by_unit[drawn, column])


def _places(sets: Sequence[int]) -> list[list[int]]:
    """The places of each number."""
    return [[place for place, number in enumerate(sets) if number == one] for one in dict.fromkeys(sets)]


def test_sets(seeds: Sequence[Predicted]) -> list[int]:
    """The number of each seed's test set, from 0: equal for the same molecules, in the same order, and labels."""
    found: list[Predicted] = []
    numbers = []
    for one in seeds:
        same = (
            place
            for place, other in enumerate(found)
            if one.mol_ids == other.mol_ids and np.array_equal(one.y, other.y, equal_nan=True)
        )
        if (number := next(same, None)) is None:
            number = len(found)
            found.append(one)
        numbers.append(number)
    return numbers


def standard_error(y: np.ndarray, score: np.ndarray, metric: Metric, *, resamples: int = 200, seed: int = 0) -> float:
    """Standard deviation, over molecules drawn with replacement, of a metric's mean over tasks; y, score (n, T).

    0 where fewer than two resamples have a defined mean. seed: of the resampling.
    """
    drawn = mean_of_defined(resampled(y, [score], metric, resamples=resamples, random=np.random.default_rng(seed))[0])
    defined = drawn[~np.isnan(drawn)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else 0.0


def resampled(
    y: np.ndarray, scores: Sequence[np.ndarray], metric: Metric, *, resamples: int, random: np.random.Generator
) -> np.ndarray:
    """(len(scores), T, resamples): the metric of each task, of several scores (n, T), on the same rows drawn from n."""
    weighted = metric.weighted or partial(_repeated, metric)
    n, tasks = y.shape
    values = np.empty((len(scores), tasks, resamples))
    some = max(1, AT_ONCE // max(n, 1))
    for first in range(0, resamples, some):
        those = slice(first, min(first + some, resamples))
        weights = _drawn(n, those.stop - first, random)
        for target in range(tasks):
            measured = ~np.isnan(y[:, target])
            drawn = weights[measured].T
            for place, score in enumerate(scores):
                values[place, target, those] = weighted(y[measured, target], score[measured, target], drawn)
    return values


def _drawn(n: int, resamples: int, random: np.random.Generator) -> np.ndarray:
    """(n, resamples): how often each of n rows is among n that are drawn with replacement."""
    weights = np.empty((n, resamples))
    for place in range(resamples):
        weights[:, place] = np.bincount(random.integers(n, size=n), minlength=n)
    return weights


def _molecule_bootstrap(rows: Predicted, metric: Metric, resamples: int, *, random: np.random.Generator) -> np.ndarray:
    """(resamples,): difference in the metric's mean on rows drawn with replacement, the same rows for both arms.

    NaN where the metric is undefined for every task.
    """
    a, b = resampled(rows.y, [rows.a, rows.b], metric, resamples=resamples, random=random)
    return mean_of_defined(a - b)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """(n,): means over the first axis of (m, n) values, NaN left out; NaN where there is nothing else."""
    defined = ~np.isnan(values)
    total, count = np.where(defined, values, 0.0).sum(0), defined.sum(0)
    mean: np.ndarray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean


def _repeated(metric: Metric, y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(m,): the metric of rows of which each is there as often as its weight says; NaN where it is undefined."""
    counts = weights.astype(np.int64)
    values = [metric.score(np.repeat(y, count), np.repeat(score, count)) for count in counts]
    return np.array([np.nan if value is None else value for value in values])
