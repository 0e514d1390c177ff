"""What all arms of a table are compared by at once: the scores of those that have every run, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pbgraph.report.comparisons import by_seed, score_on_test, shares_one_split, test_share_of, units_of
from pbgraph.results.arms import Arm
from pbgraph.results.records import RunRecord


@dataclass(frozen=True)
class Blocks:
    """Of one table. A block is a split, with the mean of its runs; or a seed, where all share one split.

    scores      arm -> its test scores (n,), of the arms that have all seeds
    test_share  n_test / n_train, by which training sets overlap; 0 where all runs share one
    """

    scores: Mapping[Arm, tuple[float, ...]] = field(default_factory=dict)
    test_share: float = 0.0
    one_split: bool = False


def blocks_of(by_arm: Mapping[Arm, Sequence[RunRecord]], seeds: Sequence[int]) -> Blocks:
    """Of these records; seeds: which each arm should have."""
    runs: dict[Arm, list[RunRecord]] = {}
    for arm, records in by_arm.items():
        scored = by_seed(record for record in records if score_on_test(record) is not None)
        if scored.keys() >= set(seeds):
            runs[arm] = [scored[seed] for seed in seeds]
    if not runs:
        return Blocks()
    scores = {arm: tuple(units_of(mine, [score_on_test(run) or 0.0 for run in mine])) for arm, mine in runs.items()}
    first = next((mine for mine in runs.values() if not mine[0].spec.external), next(iter(runs.values())))
    one_split = shares_one_split(first)
    return Blocks(scores, 0.0 if one_split else test_share_of(first), one_split)
