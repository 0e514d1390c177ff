"""How sure it is which arm is best: ranks where seeds and test molecules are drawn again.

Splits are drawn with replacement, runs within them and molecules, as `pbgraph.report.bootstrap.Draws` has it; all
arms see the same ones. An arm's probability of a rank is the share of draws in which it has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.metrics import METRICS, Metric
from pbgraph.report.bootstrap import Draws, mean_of_defined, resampled, test_sets
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import Predicted, aligned_predictions
from pbgraph.results.records import RunRecord

RESAMPLES = 1000


@dataclass(frozen=True)
class Stability:
    """Of one arm: how probable it is that it is first, and 95 % of its ranks."""

    first: float
    low: int
    high: int


def rank_stability(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    records: Sequence[RunRecord],
    results: ResultsFolder,
    *,
    done: Callable[[int], None] = lambda _: None,
) -> dict[Arm, Stability]:
    """The stability of the ranks of these arms, which have all finished runs of these seeds.

    done  told how many seeds more were resampled
    Raises FileNotFoundError for predictions that are not there; DataError for those that do not pair.
    """
    runs: Mapping[tuple[Arm, int], RunRecord] = {
        (record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"
    }
    metric = METRICS.get(runs[arms[0], seeds[0]].spec.metric)
    predicted = [aligned_predictions(results, [runs[arm, seed] for arm in arms]) for seed in seeds]
    drawn = drawn_scores(predicted, metric, done=done)
    return dict(zip(arms, stability_of(drawn if metric.larger_is_better else -drawn), strict=True))


def drawn_scores(
    predicted: Sequence[Sequence[Predicted]],
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """(k, resamples): the metric's mean over tasks and drawn seeds of k arms; NaN where it is undefined.

    predicted  seed by seed the test rows of every arm, whose scores are `b`; a seed's arms have their rows in one order
    """
    draws = Draws(test_sets([arms[0] for arms in predicted]), resamples, seed)
    of_seeds = []
    for place, arms in enumerate(predicted):
        random = draws.of_molecules(place)
        values = resampled(arms[0].y, [arm.b for arm in arms], metric, resamples=resamples, random=random)
        of_seeds.append([mean_of_defined(of_arm) for of_arm in values])
        done(1)
    by_molecule = np.array(of_seeds)  # seeds x arms x resamples
    return np.array([draws.means(of_arm) for of_arm in by_molecule.swapaxes(0, 1)])


def stability_of(scores: np.ndarray) -> list[Stability]:
    """Of k arms in m draws, (k, m), the larger the better; arms that share the first rank have equal parts of it.

    >>> stability_of(np.array([[0.9, 0.9, 0.7, 0.9], [0.8, 0.8, 0.8, 0.9]]))[0].first
    0.625
    """
    from scipy.stats import rankdata

    usable = scores[:, ~np.isnan(scores).any(axis=0)]
    if not usable.shape[1]:
        return [Stability(float("nan"), 1, len(scores))] * len(scores)
    ranks = rankdata(-usable, axis=0, method="min")
    first = ranks == 1
    shares = (first / first.sum(axis=0)).mean(axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="inverted_cdf")
    return [Stability(float(share), int(a), int(b)) for share, a, b in zip(shares, low, high, strict=True)]
