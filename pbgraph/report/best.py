"""Which arms of a table are set in bold: the best, and those that its runs do not tell from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pbgraph.errors import UsageError
from pbgraph.report.comparisons import adjusted, compare, test_score
from pbgraph.report.stats import EquivalenceMargin, Outcome
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord

NOT_JUDGED = (Outcome.INCOMPLETE, Outcome.ONE_SEED, Outcome.NO_VARIATION)


@dataclass(frozen=True)
class Best:
    """Arms that have all the seeds: the one of the best mean, and those not distinguishable from it.

    judged  number of arms that were compared with it, over which p was corrected
    """

    arm: Arm
    ties: frozenset[Arm]
    judged: int


def best_of(by_arm: Mapping[Arm, Sequence[RunRecord]], seeds: Sequence[int], margin: EquivalenceMargin) -> Best | None:
    """The best arm by the mean of its test scores, and what p after Holm does not tell from it; None of no whole arm.

    An arm that cannot be judged, such as one of a single seed, is no tie.
    """
    means = {arm: mean for arm, records in by_arm.items() if (mean := _mean(records, seeds)) is not None}
    if not means:
        return None
    best = max(means, key=lambda arm: margin.sign * means[arm])
    compared = []
    for arm in (arm for arm in means if arm != best):
        try:
            compared.append(compare([*by_arm[best], *by_arm[arm]], best, arm, seeds=seeds))
        except UsageError:  # their splits differ, so that they are not paired
            continue
    judged = [one for one in adjusted(compared, margin) if one.verdict.outcome not in NOT_JUDGED]
    ties = frozenset(one.b for one in judged if one.verdict.outcome is not Outcome.BETTER)
    return Best(best, ties, len(judged))


def _mean(records: Sequence[RunRecord], seeds: Sequence[int]) -> float | None:
    """None unless every seed has a score."""
    scores = {record.spec.seed: score for record in records if (score := test_score(record)) is not None}
    return fmean(scores[seed] for seed in seeds) if scores.keys() >= set(seeds) else None
