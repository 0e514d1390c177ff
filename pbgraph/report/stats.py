"""Paired comparisons: is arm A better than arm B on the same splits and seeds?

Two answers stand side by side. The corrected resampled t interval asks about seeds: its variance,

    s² (1/n + n_test / n_train),        s² the variance of the n paired differences,

allows for training sets that overlap from seed to seed. The hierarchical bootstrap (`pbgraph.report.bootstrap`) asks
about molecules, too.

Where several initialisations share a split, a mixed model parts the variance between splits from that within one. Like
the plain t, it takes the splits for independent, which they are not; the corrected t decides.

Source: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; Holm 1979, www.jstor.org/stable/4615733; Laird & Ware 1982,
doi:10.2307/2529876 (mixed models).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
LEAST_FOR_EQUIVALENCE = 5  # seeds: fewer give an interval whose width is a guess, since a spread of three is one
NORMAL_QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # 1.96, which that of Student's t comes to with seeds
ROUNDING = 1e-12  # of scores, as a share of the largest


@dataclass(frozen=True)
class Interval:
    """An interval of 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True)
class EquivalenceMargin:
    """How a difference of a metric is judged: the smallest that matters in practice, and which sign is a gain."""

    relevant: float
    larger_is_better: bool

    @property
    def sign(self) -> int:
        """1, or -1 where smaller is better: what differences are multiplied by so that a gain is positive."""
        return 1 if self.larger_is_better else -1


class Outcome(Enum):
    """What a mean of paired differences a - b allows to say of a, in the metric's own direction."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"  # in every pair, as where both runs end with one network because no dendrite was kept
    EQUIVALENT = "equivalent"  # no sign is shown, and the whole interval is within the margin
    TOO_FEW = "too few seeds"  # so it is, of fewer seeds than equivalence takes
    NOT_DISTINGUISHABLE = "not distinguishable"
    NO_VARIATION = "no variation"  # all seeds differ by the same
    ONE_SEED = "one seed"
    INCOMPLETE = "incomplete"  # declared seeds are missing


@dataclass(frozen=True)
class Verdict:
    """size: of better and worse, "more" where the interval is wholly beyond the margin, "less" within it, or "".

    It is never "less" of fewer seeds than equivalence takes.
    """

    outcome: Outcome
    size: Literal["", "more", "less"] = ""


@dataclass(frozen=True)
class Difference:
    """A mean of n paired differences.

    Interval and two-sided p-value are None for a single pair, and for several that all differ by the same: without any
    variation there is nothing to judge the mean by.
    """

    n: int
    mean: float
    interval: Interval | None
    p: float | None


@dataclass(frozen=True)
class MixedDifference(Difference):
    """By a mixed model, with the standard deviations of its two parts: between splits, and within one."""

    between: float
    within: float


def paired_difference(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, *, test_share: float, at_once: int = 1
) -> Difference:
    """Mean of a - b over pairs, with the corrected resampled t interval.

    a, b        scores of the same n > 0 seeds, in the same order
    test_share  n_test / n_train where every seed has its own split; 0 where all seeds share one training set, which
                makes it a plain paired t interval that speaks of initialisation alone
    at_once     how many such intervals are to hold together, in 95 % of cases at the least (Bonferroni); p is of one
    Where a and b are equal, rounding aside, the interval has no width and p is 1.
    Raises ValueError if the lengths differ or are 0.

    >>> paired_difference([0.84, 0.86, 0.85], [0.83, 0.84, 0.85], test_share=0.125).interval
    Interval(low=-0.01912..., high=0.03912...)
    """
    from scipy.special import stdtr, stdtrit  # Student's distribution: scipy.stats takes a second to import

    if len(a) != len(b) or not len(a):
        raise ValueError(f"{len(a)} and {len(b)} scores cannot be paired")
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n, mean = len(differences), float(differences.mean())
    rounding = ROUNDING * float(max(np.abs(a).max(), np.abs(b).max()))
    if n > 1 and float(np.abs(differences).max()) <= rounding:
        return Difference(n, mean, Interval(mean, mean), 1.0)
    if n == 1 or float(np.ptp(differences)) <= rounding:
        return Difference(n, mean, None, None)
    error = float(np.sqrt(differences.var(ddof=1) * (1 / n + test_share)))
    margin = error * float(stdtrit(n - 1, 1 - (1 - CONFIDENCE) / 2 / at_once))
    return Difference(n, mean, Interval(mean - margin, mean + margin), 2 * float(stdtr(n - 1, -abs(mean) / error)))


def mean_of_seeds(scores: Sequence[float]) -> Difference:
    """The mean of one arm's scores with its plain t interval, for pictures: arms are compared by paired differences."""
    return paired_difference(scores, [0.0] * len(scores), test_share=0.0)


def least_half_width(sd: float, *, test_share: float) -> float:
    """What the half-width of the corrected t's interval does not go below, of however many seeds.

        z s sqrt(n_test / n_train),         z = 1.96, s the standard deviation of the paired differences

    >>> round(least_half_width(0.01, test_share=0.125), 4)
    0.0069
    """
    return NORMAL_QUANTILE * sd * float(test_share**0.5)


def mixed_difference(differences: Sequence[float], splits: Sequence[Hashable]) -> MixedDifference | None:
    """Mean of paired differences d_ij of initialisation j on split i by a mixed model, fitted by REML:

        d_ij = mean + u_i + e_ij        u_i ~ N(0, variance between splits), e_ij ~ N(0, variance within one)

    differences, splits  of the same runs, in the same order
    The interval and p are of t with one degree of freedom less than there are splits. The mean is of all splits, each
    with the weight 1 / (variance between + variance within / its runs). None where no split is there
    twice, so that nothing parts the two variances, or fewer than two splits are, or where nothing varies within any.

    >>> round(mixed_difference([0.01, 0.02, 0.03, 0.05], [68, 68, 69, 69]).mean, 6)
    0.0275
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import stdtr, stdtrit

    values = np.asarray(differences, dtype=np.float64)
    groups = np.unique([str(split) for split in splits], return_inverse=True)[1]
    sizes = np.bincount(groups)
    k, n = len(sizes), len(values)
    rounding = ROUNDING * float(np.abs(values).max())
    if k < 2 or k == n:
        return None
    means = np.bincount(groups, values) / sizes
    within = float(np.square(values - means[groups]).sum())
    if within <= n * rounding**2:
        return None

    def fitted(share: float) -> tuple[float, float, float, float]:
        """-2 log of the restricted likelihood, mean, its squared error and the variance within a split.

        share  of the variance, between splits
        """
        ratio = share / (1 - share)
        weights = sizes / (1 + ratio * sizes)
        mean = float(np.average(means, weights=weights))
        squares = within + float((weights * np.square(means - mean)).sum())
        fit = (n - 1) * np.log(squares) + float(np.log1p(ratio * sizes).sum() + np.log(weights.sum()))
        return fit, mean, squares / (n - 1) / float(weights.sum()), squares / (n - 1)

    grid = np.linspace(0.0, 1.0, 101)[:-1]
    best = int(np.argmin([fitted(share)[0] for share in grid]))
    around = (grid[max(best - 1, 0)], grid[best] + grid[1])
    found = minimize_scalar(lambda share: fitted(share)[0], bounds=around, method="bounded", options={"xatol": 1e-9})
    (_, mean, square, variance), share = min((fitted(share), share) for share in (float(found.x), float(grid[best])))
    error = square**0.5
    margin = error * float(stdtrit(k - 1, (1 + CONFIDENCE) / 2))
    return MixedDifference(
        n,
        mean,
        Interval(mean - margin, mean + margin),
        2 * float(stdtr(k - 1, -abs(mean) / error)),
        between=(share / (1 - share) * variance) ** 0.5,
        within=variance**0.5,
    )


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for the number of comparisons, in the same order.

    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def verdict(difference: Difference, p: float | None, *, by: EquivalenceMargin) -> Verdict:
    """What the interval of a mean difference a - b and the adjusted p-value allow to say.

    >>> found = Difference(n=5, mean=0.001, interval=Interval(-0.004, 0.006), p=0.8)
    >>> verdict(found, 0.8, by=EquivalenceMargin(0.01, larger_is_better=True)).outcome
    <Outcome.EQUIVALENT: 'equivalent'>
    """
    interval = difference.interval
    if interval is None or p is None:
        return Verdict(Outcome.ONE_SEED if difference.n == 1 else Outcome.NO_VARIATION)
    if interval.low == interval.high:
        return Verdict(Outcome.EQUAL)
    least, most = sorted((by.sign * interval.low, by.sign * interval.high))
    within, enough = -by.relevant < least and most < by.relevant, difference.n >= LEAST_FOR_EQUIVALENCE
    if p < 1 - CONFIDENCE and not least <= 0 <= most:
        beyond = max(least, -most) > by.relevant
        size: Literal["", "more", "less"] = "more" if beyond else "less" if within and enough else ""
        return Verdict(Outcome.BETTER if least > 0 else Outcome.WORSE, size)
    if within:
        return Verdict(Outcome.EQUIVALENT if enough else Outcome.TOO_FEW)
    return Verdict(Outcome.NOT_DISTINGUISHABLE)
