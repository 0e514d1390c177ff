"""How many seeds it takes to tell two arms apart, if they differ by as much as matters.

The test is that of `pbgraph.report.stats`: corrected resampled t, two-sided at 5 %; of m comparisons that are judged
together Holm's first step asks for 5 % / m, by which a difference is found whatever the others come to. Under a true
difference Δ its statistic follows a noncentral t with n - 1 degrees of freedom and noncentrality

    Δ / (s sqrt(1/n + ρ)),        s the standard deviation of the paired differences, ρ = n_test / n_train,

where s is taken from the seeds that there are: with few of them it is a rough guess itself. Because of ρ more seeds
help only up to Δ / (s sqrt(ρ)), so that some differences are found by no number of seeds.

Two arms that are truly equal are not told to differ by as much as matters if the whole 95 % interval is within ±Δ: they
are called equivalent then, or in 5 % of cases or fewer better or worse by less.

Source: Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, ch. 2; Nadeau & Bengio 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from pbgraph.humanize import duration, plural
from pbgraph.report.comparisons import Comparison, differences_of_splits, pairs_of, test_share_of
from pbgraph.report.stats import CONFIDENCE, LEAST_FOR_EQUIVALENCE
from pbgraph.results.records import RunRecord

WANTED = 0.8  # probability with which a difference that matters is to be found
MOST = 2000  # seeds that are thought of
GRID = 2000  # equally likely values of the estimated spread, over which the noncentral t is averaged


@dataclass(frozen=True)
class Power:
    """What a comparison can find.

    relevant  the true difference that is to be found
    seeds     that both arms have, those of one split counted once; power, the probability that these find it
    tests     comparisons that are judged together; adjusted, the probability at the first step of Holm's correction
    equivalent  the probability with which the interval of two equal arms is within the margin
    needed    seeds with which the power is `WANTED`; None if `MOST` do not do
    seconds   of both arms for one more seed, a run after another; None if that is not known
    """

    relevant: float
    seeds: int
    power: float
    tests: int
    adjusted: float
    equivalent: float
    needed: int | None
    seconds: float | None

    @property
    def words(self) -> str:
        """For people."""
        now = f"a true difference of {self.relevant} is found with probability {self.power:.2f} by {_seeds(self.seeds)}"
        if self.tests > 1:
            now += f" (by p alone; {self.adjusted:.2f} at the first step of Holm's correction over {self.tests})"
        now += f", the interval of equal arms is within ±{self.relevant} with {self.equivalent:.2f}"
        if self.needed is None:
            return f"{now}; no number of seeds up to {MOST:,} finds it with {WANTED}"
        if self.needed <= self.seeds:
            return f"{now}, and {_seeds(self.needed)} would do for {WANTED}"
        more = self.needed - self.seeds
        cost = "" if self.seconds is None else f": about {duration(more * self.seconds)} for one worker"
        return f"{now}; {WANTED} takes {_seeds(self.needed)}, {more} more{cost}"


def power_of(comparison: Comparison, records: Sequence[RunRecord], *, tests: int = 1) -> Power | None:
    """The power of a comparison, one of so many that are judged together; None where differences have no spread.

    records  of both arms, and maybe others
    """
    pairs, differences = pairs_of(comparison, records), differences_of_splits(comparison, records)
    of_a = [a for a, _ in pairs]
    if len(differences) < 2 or not (sd := stdev(differences)):
        return None
    share = 0.0 if comparison.one_split else test_share_of(of_a)
    relevant, n = comparison.margin.relevant, len(differences)
    runs_of_one = len(pairs) / n  # initialisations of a split
    costs = [[run.cost.seconds for run in runs if run.cost is not None] for runs in zip(*pairs, strict=True)]
    return Power(
        relevant,
        n,
        power=probability(relevant, sd, n, test_share=share),
        tests=tests,
        adjusted=probability(relevant, sd, n, test_share=share, tests=tests),
        equivalent=probability_of_equivalence(relevant, sd, n, test_share=share),
        needed=seeds_needed(relevant, sd, test_share=share),
        seconds=runs_of_one * sum(map(fmean, costs)) if all(costs) else None,
    )


def probability(relevant: float, sd: float, n: int, *, test_share: float, tests: int = 1) -> float:
    """With which n > 1 seeds find a true difference, either sign of it; sd > 0: of the paired differences.

    tests  by which the level of 5 % is divided

    >>> round(probability(0.01, 0.01, 10, test_share=0.0), 3)
    0.803
    """
    from scipy.stats import norm, t

    shift = relevant / (sd * (1 / n + test_share) ** 0.5)
    limits = float(t.isf((1 - CONFIDENCE) / 2 / tests, n - 1)) * _spreads(n)
    return float(np.mean(norm.sf(limits - shift) + norm.cdf(-limits - shift)))


def probability_of_equivalence(relevant: float, sd: float, n: int, *, test_share: float) -> float:
    """With which n > 1 seeds of arms that are truly equal have an interval within ±relevant; 0 of too few seeds.

    >>> round(probability_of_equivalence(0.01, 0.0077, 50, test_share=0.125), 2)
    0.83
    """
    from scipy.stats import norm, t

    if n < LEAST_FOR_EQUIVALENCE:
        return 0.0
    error = sd * (1 / n + test_share) ** 0.5
    room = relevant / error - float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * _spreads(n)
    return float(np.mean(np.where(room > 0, 2 * norm.cdf(room) - 1, 0.0)))


def _spreads(n: int) -> np.ndarray:
    """Equally likely ratios of the standard deviation that is estimated from n values to the true one."""
    from scipy.stats import chi2

    spreads: np.ndarray = np.sqrt(chi2.ppf((np.arange(GRID) + 0.5) / GRID, n - 1) / (n - 1))
    return spreads


def seeds_needed(relevant: float, sd: float, *, test_share: float) -> int | None:
    """The fewest seeds whose power is `WANTED`; None if `MOST` have less. Power grows with seeds."""
    few, many = 1, MOST
    if probability(relevant, sd, many, test_share=test_share) < WANTED:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        enough = probability(relevant, sd, middle, test_share=test_share) >= WANTED
        few, many = (few, middle) if enough else (middle, many)
    return many


def _seeds(count: int) -> str:
    return plural(count, "seed")
