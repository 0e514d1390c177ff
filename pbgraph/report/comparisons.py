"""Records -> paired comparisons of two arms: differences over shared seeds, by the margin of their metric.

Works from records alone; needs neither torch nor the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from pbgraph.errors import UsageError
from pbgraph.humanize import ranges
from pbgraph.metrics import METRICS
from pbgraph.report.stats import (
    ROUNDING,
    Difference,
    EquivalenceMargin,
    Interval,
    Outcome,
    Verdict,
    holm,
    least_half_width,
    mixed_difference,
    paired_difference,
    verdict,
)
from pbgraph.results.arms import Arm
from pbgraph.results.compared import Pair, pairs_among
from pbgraph.results.protocol import check_same_split
from pbgraph.results.records import RunRecord


@dataclass(frozen=True)
class Comparison:
    """The paired difference a - b in a metric on test rows over the seeds that both arms finished.

    metric    that was asked for; None: the one that selects
    declared  number of seeds that were to be run; without one of them, there is no verdict
    p         two-sided, of the corrected resampled t test, in which each split counts once: where it has several
              initialisations, by their mean
    p_holm    adjusted for all comparisons of its family, None until it is complete; the interval is not adjusted
    margin    by which the verdict judges
    one_split whether all runs share one split: interval and p then speak of initialisation alone
    units     how many paired values are judged: splits, or seeds where all share one split
    """

    a: Arm
    b: Arm
    seeds: tuple[int, ...]
    declared: int
    mean: float
    interval: Interval | None
    p: float | None
    p_holm: float | None
    margin: EquivalenceMargin
    verdict: Verdict
    one_split: bool = False
    units: int = 0
    metric: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all the declared seeds are there."""
        return len(self.seeds) == self.declared


@dataclass(frozen=True)
class Family:
    """Comparisons that are judged together, by one correction; `pbgraph.report.families` says which are.

    name    of what declares them, such as "preset default"
    pairs   (preset of the runs, a, b) -> comparison
    margin  by which all are judged; None where nothing is finished
    usual   what the metric declares, of the same runs
    absent  (preset of the runs, a, b) that were registered and have no runs to be compared by yet
    """

    name: str
    pairs: Mapping[tuple[str, Arm, Arm], Comparison]
    margin: EquivalenceMargin | None = None
    usual: EquivalenceMargin | None = None
    absent: Sequence[tuple[str, str, str]] = ()

    @property
    def tests(self) -> int:
        """How many comparisons one correction is over."""
        return len(self.pairs) + len(self.absent)

    def among(self, preset: str, arms: Iterable[Arm]) -> tuple[Comparison, ...]:
        """The comparisons of a preset of which both arms are among these."""
        shown = set(arms)
        return tuple(one for (of, a, b), one in self.pairs.items() if of == preset and {a, b} <= shown)

    def judged(self, preset: str, one: Comparison) -> Comparison | None:
        """The comparison as it is judged here, either arm first; None if it is not one of the family's."""
        for pair in ((one.a, one.b), (one.b, one.a)):
            mine = self.pairs.get((preset, *pair))
            if mine is not None and (mine.seeds, mine.declared) == (one.seeds, one.declared):
                return _judged(one, mine.p_holm, mine.margin)
        return None


def compare(
    records: Iterable[RunRecord], a: Arm, b: Arm, *, seeds: Sequence[int], metric: str | None = None
) -> Comparison:
    """The paired difference of two arms; p_holm is p, as of a single comparison.

    records  of one protocol, by whose margin the difference is judged
    metric   None: the one that selects
    Raises UsageError if they share no finished seed that was scored by it.
    """
    finished = [record for record in records if record.status == "finished"]
    by_arm = {arm: by_seed(record for record in finished if record.spec.arm == arm) for arm in (a, b)}
    scored = [{seed for seed, run in by_arm[arm].items() if score_on_test(run, metric) is not None} for arm in (a, b)]
    shared = [seed for seed in seeds if seed in scored[0] & scored[1]]
    if not shared:
        named = f" that was scored by {metric}" if metric else ""
        there = "; ".join(f"{arm}: {ranges(list(by_seed)) or 'none'}" for arm, by_seed in by_arm.items())
        raise UsageError(
            f"{a} and {b} share no finished seed{named} among {ranges(seeds)} (finished seeds of {there}); run both "
            "first, or name others with --seeds"
        )
    compared = [by_arm[arm][seed] for seed in shared for arm in (a, b)]
    check_same_split(compared)
    if metric and len(versions := {record.metrics.get(metric) for record in compared}) > 1:
        named = " and ".join(sorted(map(str, versions)))
        raise UsageError(f"runs of {a} and {b} were scored by versions {named} of {metric}, which cannot be compared")
    scores = {arm: [_score(by_arm[arm][seed], metric) for seed in shared] for arm in (a, b)}
    of_a = [by_arm[a][seed] for seed in shared]
    fixed = shares_one_split(of_a)
    difference = paired_difference(
        *(units_of(of_a, scores[arm]) for arm in (a, b)), test_share=0.0 if fixed else test_share_of(of_a)
    )
    comparison = Comparison(
        a,
        b,
        seeds=tuple(shared),
        declared=len(seeds),
        mean=difference.mean,
        interval=difference.interval,
        p=difference.p,
        p_holm=None,
        margin=margin_of(finished, metric=metric),
        verdict=Verdict(Outcome.INCOMPLETE),
        one_split=fixed,
        units=difference.n,
        metric=metric,
    )
    return _judged(comparison, difference.p, comparison.margin)


def further_differences(records: Iterable[RunRecord], comparison: Comparison) -> dict[str, Difference]:
    """Name -> the mean difference judged by what does not decide: plain t and, where it applies, a mixed model.

    records  of both arms. Nothing where all runs share one split: there the plain t does decide.
    """
    if comparison.one_split:
        return {}
    records = list(records)
    of_a, scores = [a for a, _ in pairs_of(comparison, records)], scores_of(comparison, records)
    mixed = mixed_difference([a - b for a, b in scores], [a.provenance.split_sha256 for a in of_a])
    plain = paired_difference(*(units_of(of_a, each) for each in zip(*scores, strict=True)), test_share=0)
    return {"plain t": plain} | ({} if mixed is None else {"mixed model": mixed})


def pairs_of(comparison: Comparison, records: Iterable[RunRecord]) -> list[tuple[RunRecord, RunRecord]]:
    """The runs of both arms, a pair for each seed that is compared; records: of both, and maybe others."""
    finished = {(record.spec.arm, record.spec.seed): record for record in records if record.status == "finished"}
    return [(finished[comparison.a, seed], finished[comparison.b, seed]) for seed in comparison.seeds]


def scores_of(comparison: Comparison, records: Iterable[RunRecord]) -> list[tuple[float, float]]:
    """Both test scores of each seed that is compared; records: as of `pairs_of`."""
    metric = comparison.metric
    return [(_score(a, metric), _score(b, metric)) for a, b in pairs_of(comparison, records)]


def differences_of_splits(comparison: Comparison, records: Iterable[RunRecord]) -> list[float]:
    """What is judged: a - b of each split; records: as of `pairs_of`."""
    records = list(records)
    of_a = [a for a, _ in pairs_of(comparison, records)]
    return units_of(of_a, [a - b for a, b in scores_of(comparison, records)])


@dataclass(frozen=True)
class Spread:
    """How much the differences that are judged vary, and what that says of more seeds.

    sd     standard deviation, between splits, or between seeds where all share one split
    floor  see `pbgraph.report.stats.least_half_width`; None where all share one split
    """

    sd: float
    floor: float | None


def spread_of(comparison: Comparison, records: Iterable[RunRecord]) -> Spread | None:
    """Of a comparison; None where nothing varies, or there is one difference. records: of both arms."""
    records = list(records)
    differences, of_a = differences_of_splits(comparison, records), [a for a, _ in pairs_of(comparison, records)]
    if len(differences) < 2 or (sd := stdev(differences)) <= ROUNDING * max(map(abs, differences)):
        return None
    share = None if comparison.one_split else test_share_of(of_a)
    return Spread(sd, None if share is None else least_half_width(sd, test_share=share))


def margin_of(
    finished: Sequence[RunRecord], declared: float | None = None, *, metric: str | None = None
) -> EquivalenceMargin:
    """By which differences between these runs are judged: what was declared, or what a metric declares.

    metric  None: the one that selects

    Where the latter is a share of the targets' standard deviation, this is its mean over tasks and seeds on the test
    rows, and the product is rounded to two digits. Raises UsageError if the metric is not registered.
    """
    by = METRICS.get(metric or finished[0].spec.metric)
    if declared is not None:
        return EquivalenceMargin(declared, by.larger_is_better)
    if not by.in_target_units:
        return EquivalenceMargin(by.relevant, by.larger_is_better)
    tests = [record.scores["test"] for record in by_seed(finished).values()]
    deviations = [target.sd for test in tests for target in test.tasks.values() if target.sd is not None]
    relevant = float(f"{by.relevant * (fmean(deviations) if deviations else 0.0):.2g}")
    return EquivalenceMargin(relevant, by.larger_is_better)


def comparable(finished: Sequence[RunRecord], arms: Sequence[Arm], named: Sequence[Pair] = ()) -> list[tuple[Arm, Arm]]:
    """The pairs that a table of these arms compares and that share a seed with scores; named: by its plan."""
    scored: dict[Arm, set[int]] = {}
    for record in finished:
        if score_on_test(record) is not None:
            scored.setdefault(record.spec.arm, set()).add(record.spec.seed)
    wanted = pairs_among([record.spec for record in finished], arms, named)
    return [(a, b) for a, b in wanted if {a, b} <= scored.keys() and scored[a] & scored[b]]


def adjusted(
    comparisons: Sequence[Comparison], margin: EquivalenceMargin, *, absent: int = 0
) -> tuple[Comparison, ...]:
    """The comparisons with Holm's correction over all of them, and verdicts by this margin and those p-values.

    absent  how many more the correction is over
    What is absent, incomplete or without a p-value counts as if its p were 1. So the verdict of a complete one is what
    it would be at the worst, and none that was "better" is withdrawn when the others are complete.
    """
    found = [one.p if one.complete else None for one in comparisons]
    p_holm = holm([*(1.0 if p is None else p for p in found), *[1.0] * absent])
    return tuple(
        _judged(one, None if p is None else corrected, margin)
        for one, p, corrected in zip(comparisons, found, p_holm[: len(found)], strict=True)
    )


def _judged(comparison: Comparison, p_holm: float | None, margin: EquivalenceMargin) -> Comparison:
    """The comparison with this p-value after Holm, and the verdict by both unless seeds are missing."""
    difference = Difference(comparison.units, comparison.mean, comparison.interval, comparison.p)
    judgement = verdict(difference, p_holm, by=margin) if comparison.complete else comparison.verdict
    return replace(comparison, p_holm=p_holm, margin=margin, verdict=judgement)


def by_seed(records: Iterable[RunRecord]) -> dict[int, RunRecord]:
    """One record per seed."""
    return {record.spec.seed: record for record in records}


def score_on_test(record: RunRecord | None, metric: str | None = None) -> float | None:
    """A metric on the test rows, by default the one that selects; None of a run that is not finished or lacks it."""
    if record is None or record.status != "finished":
        return None
    return record.scores["test"].metrics.get(metric or record.spec.metric)


def shares_one_split(records: Sequence[RunRecord]) -> bool:
    """Whether these runs, of several seeds, have one split and so one training set."""
    return len(records) > 1 and len({record.provenance.split_sha256 for record in records}) == 1


def units_of(records: Sequence[RunRecord], scores: Sequence[float]) -> list[float]:
    """What is paired and judged of the scores of these runs: the mean of each split, in the order in which the splits
    are met; or where all share one, the scores themselves.
    """
    if shares_one_split(records):
        return list(scores)
    by_split: dict[str, list[float]] = {}
    for record, score in zip(records, scores, strict=True):
        by_split.setdefault(record.provenance.split_sha256, []).append(score)
    return [fmean(same) for same in by_split.values()]


def of_splits(records: Sequence[RunRecord], scores: Sequence[float | None]) -> list[float]:
    """The scores of these runs that are defined, as `units_of` has them: what means and their spread are of."""
    defined = [(record, score) for record, score in zip(records, scores, strict=True) if score is not None]
    return units_of([record for record, _ in defined], [score for _, score in defined])


def test_share_of(records: Sequence[RunRecord]) -> float:
    """Test rows / training rows (validation not counted) over all these runs."""
    test, valid = (sum(record.scores[part].size for record in records) for part in ("test", "valid"))
    accepted = sum(record.provenance.rows - len(record.provenance.rejected) for record in records)
    return test / (accepted - test - valid)


def _score(record: RunRecord, metric: str | None = None) -> float:
    """The test score, of a run that has one."""
    return score_on_test(record, metric) or 0.0
