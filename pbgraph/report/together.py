"""All arms of a table at once: ranks, and differences whose intervals hold together.

    Friedman, Nemenyi      mean rank of each arm over n blocks; k arms differ in any pair whose mean ranks are apart by

                               CD = q / sqrt(2) * sqrt(k (k + 1) / (6 n)),     q of the studentised range, k, infinity

    pairs, Bonferroni      the paired t of `pbgraph.report.stats`, each of the k (k-1) / 2 at 5 % / (k (k-1) / 2): all
                           differences lie within their intervals at once, in 95 % of cases or more

    ANOVA, repeated        s_ij = mean + arm_i + block_j + e_ij with MSE = Σ e² / ((k-1)(n-1)): whether any arm differs,
    measures               by F = n Σ (mean_i - mean)² / ((k-1) MSE (1 + n n_test / n_train)) with ε (k-1) and
                           ε (k-1)(n-1) degrees of freedom

    Tukey's HSD, blocked   in the same model means differ that are further apart than

                               q' sqrt(MSE (1/n + n_test / n_train)),         q' of the studentised range, k, (k-1)(n-1)

Tukey's takes the differences of all pairs to vary alike. Those of two networks on one split vary less than those of a
network and a forest, so that it would tell too much apart; it is shown, and decides no place. ε, from 1 / (k-1) to 1,
is 1 where they do vary alike, and takes back what F owes to it (Greenhouse & Geisser).

Blocks are those of `pbgraph.report.blocks`. For n_test = 0 all are the textbook's; the further term allows for
overlapping training sets, as in `pbgraph.report.stats`. Ranks take splits for independent, which they are not, and know
nothing of how far scores are apart.

Source: Demšar 2006, jmlr.org/papers/v7/demsar06a.html (ranks, critical difference); Tukey 1949, doi:10.2307/3001913;
Ash et al. 2025, doi:10.1021/acs.jcim.5c01609 (both in comparisons of molecular models); Greenhouse & Geisser 1959,
doi:10.1007/BF02289823; Hedges 1981, doi:10.3102/10769986006002107 (effect size).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import exp, factorial, lgamma, prod, sqrt

import numpy as np

from pbgraph.report.stats import CONFIDENCE, ROUNDING, Interval, paired_difference
from pbgraph.report.tables import Table
from pbgraph.results.arms import Arm


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over n blocks, 1 for the best; Friedman's p; mean ranks `critical` or more apart are different."""

    blocks: int
    mean: tuple[float, ...]
    p: float
    critical: float


@dataclass(frozen=True)
class Anova:
    """Whether any of k arms differs: F, its degrees of freedom, what they are multiplied by, and p.

    error  the standard error of an arm's mean, if all differences vary alike
    """

    f: float
    df: tuple[int, int]
    epsilon: float
    p: float
    error: float

    @property
    def apart(self) -> float:
        """By which means differ after Tukey, if all differences vary alike."""
        return studentized_quantile(self.df[0] + 1, self.df[1]) * self.error

    def tukey(self, difference: float) -> float:
        """Two-sided p of a difference of two means after Tukey, if all differences vary alike."""
        from scipy.stats import studentized_range

        return float(studentized_range.sf(abs(difference) / self.error, self.df[0] + 1, self.df[1]))


@dataclass(frozen=True)
class Pair:
    """The difference a - b of two arms; interval and two-sided p hold for all pairs of k arms at once.

    Both are None where the two differ by the same in every block.
    """

    a: Arm
    b: Arm
    mean: float
    interval: Interval | None
    p: float | None

    @property
    def apart(self) -> bool:
        """Whether the interval tells a from b."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


@dataclass(frozen=True)
class Together:
    """Arms with all their runs, the best mean first; what was left out for want of some.

    scores  (n, k), of blocks and arms
    ranks, pairs, anova  None and () of a single block or arm, or where nothing varies, as of equal runs on one split
    """

    arms: tuple[Arm, ...]
    left_out: tuple[Arm, ...]
    scores: np.ndarray
    ranks: Ranks | None
    pairs: tuple[Pair, ...]
    one_split: bool
    anova: Anova | None = None

    @property
    def block(self) -> str:
        """What a block is, in a word."""
        return "seed" if self.one_split else "split"

    @property
    def places(self) -> Mapping[Arm, int]:
        """1 + the number of arms that are better by their pair's interval.

        So the first place is shared by all that no arm is better than. One that varies much may be behind these and yet
        not be told from the best: see `first`.
        """
        worse = [pair.b for pair in self.pairs if pair.apart]
        return {arm: 1 + worse.count(arm) for arm in self.arms}

    @property
    def first(self) -> frozenset[Arm]:
        """The arm of the best mean, and all that no interval tells from it; alone, where nothing can be told apart."""
        best = self.arms[:1]
        return frozenset([*best, *(pair.b for pair in self.pairs if (pair.a,) == best and not pair.apart)])


def together(table: Table) -> Together:
    """The arms of a table that have all its seeds."""
    blocks, sign = table.blocks, table.margin.sign
    order = sorted(blocks.scores, key=lambda arm: -sign * float(np.mean(blocks.scores[arm])))
    left_out = tuple(arm for arm in table.arms if arm not in blocks.scores)
    if not order:
        return Together((), left_out, np.empty((0, 0)), None, (), False)
    scores = np.array([blocks.scores[arm] for arm in order]).T.reshape(-1, len(order))
    if min(scores.shape) < 2:
        return Together(tuple(order), left_out, scores, None, (), False)
    pairs = _pairs(order, scores, blocks.test_share)
    ranks = friedman(sign * scores) if pairs else None
    tested = anova(scores, test_share=blocks.test_share) if pairs else None
    return Together(tuple(order), left_out, scores, ranks, pairs, blocks.one_split, tested)


def _pairs(arms: Sequence[Arm], scores: np.ndarray, test_share: float) -> tuple[Pair, ...]:
    """Each arm with all after it; () where nothing but arms and blocks varies."""
    if not tukey(scores, test_share=test_share)[0]:
        return ()
    k = len(arms)
    count = k * (k - 1) // 2
    return tuple(
        Pair(arms[i], arms[j], found.mean, found.interval, None if found.p is None else min(found.p * count, 1.0))
        for i, j in combinations(range(k), 2)
        for found in [paired_difference(scores[:, i], scores[:, j], test_share=test_share, at_once=count)]
    )


@lru_cache(maxsize=256)
def studentized_quantile(k: int, df: float) -> float:
    """What the studentised range of k means exceeds in 5 % of cases."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(CONFIDENCE, k, df))


def friedman(scores: np.ndarray) -> Ranks | None:
    """Ranks of k arms in n blocks, (n, k), the larger the better; ties have their mean rank. None if all are tied.

    The statistic is F, (n-1) chi² / (n (k-1) - chi²) with k-1 and (k-1)(n-1) degrees of freedom, which for few blocks
    is nearer its level than chi² (Iman & Davenport 1980, doi:10.1080/03610928008827904). Where blocks agree it grows
    without bound, and p is not below the probability that they agree by chance, (1/k!)^(n-1) without ties (Conover,
    Practical Nonparametric Statistics, third edition, section 5.8).

    >>> friedman(np.array([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.9, 0.7, 0.8]])).mean
    (1.0, 2.333..., 2.666...)
    """
    from scipy.stats import f, rankdata

    n, k = scores.shape
    ranks = rankdata(-scores, axis=1)
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if not spread:
        return None
    mean = ranks.mean(axis=0)
    chi2 = n * n * (k - 1) * float(((mean - (k + 1) / 2) ** 2).sum()) / spread
    rest = n * (k - 1) - chi2
    p = 0.0 if rest <= 1e-9 else float(f.sf((n - 1) * chi2 / rest, k - 1, (k - 1) * (n - 1)))
    p = max(p, _agreeing_by_chance(ranks))
    critical = studentized_quantile(k, np.inf) / 2**0.5 * (k * (k + 1) / (6 * n)) ** 0.5
    return Ranks(n, tuple(map(float, mean)), p, critical)


def _agreeing_by_chance(ranks: np.ndarray) -> float:
    """The probability that random orders of the ranks of each block, (n, k), are the same in all blocks.

    >>> _agreeing_by_chance(np.array([[1, 2], [1, 2]])), _agreeing_by_chance(np.array([[1, 2.5, 2.5]] * 2))
    (0.5, 0.333...)
    """
    ties = [np.unique(block, return_counts=True)[1] for block in ranks]
    of_block = [prod(map(factorial, counts.tolist())) / factorial(ranks.shape[1]) for counts in ties]
    return prod(sorted(of_block)[:-1])  # the block of most ties is the one that others agree with


def tukey(scores: np.ndarray, *, test_share: float = 0.0) -> tuple[float, int]:
    """The standard error of an arm's mean over blocks, (n, k) scores, and its degrees of freedom.

    Its product with `studentized_quantile` is what two means must be apart by. 0 where nothing but arms and blocks
    varies.
    """
    n, k = scores.shape
    rest = _rest(scores)
    df = (k - 1) * (n - 1)
    error = (float((rest**2).sum()) / df * (1 / n + test_share)) ** 0.5
    return (error if error > ROUNDING * float(np.abs(scores).max()) else 0.0), df


def anova(scores: np.ndarray, *, test_share: float = 0.0) -> Anova:
    """Of the arms of (n, k) scores, repeated over n blocks; their errors vary.

    >>> anova(np.array([[0.9, 0.8, 0.7], [0.8, 0.75, 0.6], [0.9, 0.7, 0.8]])).df
    (2, 4)
    """
    from scipy.stats import f

    k = scores.shape[1]
    error, rest = tukey(scores, test_share=test_share)
    between = float(scores.mean(axis=0).var(ddof=1))
    value, share = between / error**2, epsilon(scores)
    p = float(f.sf(value, share * (k - 1), share * rest))
    return Anova(value, (k - 1, rest), share, p, error)


def _rest(scores: np.ndarray) -> np.ndarray:
    """What neither arms nor blocks explain of (n, k) scores."""
    rest: np.ndarray = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    return rest


def epsilon(scores: np.ndarray) -> float:
    """How alike the differences of all pairs of (n, k) scores vary: 1 if they do, and 1 / (k - 1) at the least.

    With V the covariance of arms over blocks, rows and columns less their means: (Σ V_ii)² / ((k - 1) Σ V_ij²).

    >>> round(epsilon(np.array([[0.9, 0.8], [0.8, 0.75], [0.9, 0.7]])), 6)
    1.0
    """
    rest = _rest(scores)
    v = rest.T @ rest
    return float(np.trace(v) ** 2 / ((scores.shape[1] - 1) * np.square(v).sum()))


def cliques(ranks: Ranks) -> list[tuple[int, int]]:
    """First and last, by mean rank, of each largest group of arms whose mean ranks are less than `critical` apart.

    >>> cliques(Ranks(10, (1.0, 1.5, 3.5, 4.0), 0.01, 2.6))
    [(0, 2), (1, 3)]
    """
    mean = sorted(ranks.mean)
    last = [max(j for j in range(len(mean)) if mean[j] - mean[i] < ranks.critical) for i in range(len(mean))]
    return [(i, j) for i, j in enumerate(last) if j > i and (i == 0 or last[i - 1] < j)]


def hedges_g(differences: Sequence[float]) -> float | None:
    """Mean of paired differences in units of their standard deviation, corrected for few; None of fewer than three.

    >>> round(hedges_g([0.01, 0.02, 0.03, 0.06]), 3)
    1.005
    """
    n, sd = len(differences), float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if n < 3 or sd <= ROUNDING * float(np.abs(differences).max()):
        return None
    df = n - 1
    correction = exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2)
    return correction * float(np.mean(differences)) / sd
