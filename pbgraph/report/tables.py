"""Records -> rows -> Markdown, CSV or JSON. Works from records alone; needs neither torch nor the data.

A table belongs to one `Protocol`. Every declared seed of every arm has its place: a missing run is named, a failed one
is a line that says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

from pbgraph.errors import UsageError
from pbgraph.humanize import ranges
from pbgraph.methods.roles import PLAIN
from pbgraph.metrics import METRICS
from pbgraph.plans.presets import Preset
from pbgraph.report.stats import (
    Difference,
    EquivalenceMargin,
    Interval,
    Outcome,
    Verdict,
    holm,
    paired_difference,
    verdict,
)
from pbgraph.results.arms import Arm, in_row_order
from pbgraph.results.protocol import Protocol, check_one_protocol, check_same_split, choices, others_code, protocol_of
from pbgraph.results.records import Provenance, RunRecord


@dataclass(frozen=True)
class Statistic:
    """Mean over runs, and their standard deviation (None for a single run)."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Comparison:
    """The paired difference a - b in the selection metric on test rows over the seeds that both arms finished.

    declared  number of seeds that were to be run; without one of them, there is no verdict
    p         two-sided, of the corrected resampled t test
    p_holm    adjusted for all comparisons of the table; the interval is not
    margin    by which the verdict judges
    one_split whether all runs share one split: interval and p then speak of initialisation alone
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

    @property
    def complete(self) -> bool:
        """Whether all the declared seeds are there."""
        return len(self.seeds) == self.declared


@dataclass(frozen=True)
class Row:
    """One line of a table.

    label    the model, and of a variant what was set otherwise, or what its plan calls it
    seeds    finished; missing: never run; failed: seed -> error
    test     seed -> selection metric on test rows, where it is defined
    metrics  of the test rows, in the order of the table; valid: the selection metric of the validation rows
    undefined  task -> runs in which the selection metric was undefined for it
    """

    arm: Arm
    label: str
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    failed: Mapping[int, str]
    test: Mapping[int, float]
    metrics: Mapping[str, Statistic | None]
    valid: Statistic | None
    parameters: float | None
    epochs: float | None
    seconds: float | None
    undefined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Rows in the order of the plan, and comparisons.

    metrics   what is shown: the selection metric, then the others that all runs were scored by
    margin    by which differences of the selection metric are judged
    commits   source commit -> runs, "*" marks uncommitted changes
    software  versions and device that numbers depend on -> runs
    others    code of other packages than pbgraph that components are from -> runs
    numerics  numeric platform, in words -> runs
    """

    protocol: Protocol
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    metrics: tuple[str, ...]
    margin: EquivalenceMargin
    commits: Mapping[str, int]
    software: Mapping[str, int]
    numerics: Mapping[str, int]
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Of every row."""
        return tuple(row.arm for row in self.rows)


def rows_and_seeds(
    preset: Preset | None, records: Sequence[RunRecord], seeds: Sequence[int] | None = None
) -> tuple[list[Arm], list[int]]:
    """The arms and seeds that a table of one preset's records should have.

    preset  what was declared, or None if that is not known
    seeds   that are asked for; else the preset's, or where none of these was run, those that were
    The preset's arms have rows where any of its seeds is shown, and so has every other arm with a run of these seeds.
    """
    run, declared = {record.spec.seed for record in records}, preset.seeds if preset else ()
    if seeds is None:
        seeds = declared if run.intersection(declared) else sorted(run)
    arms = preset.arms if preset and set(declared).intersection(seeds) else ()
    run_arms = {record.spec.arm for record in records if record.spec.seed in seeds}
    return in_row_order(arms, run_arms), list(dict.fromkeys(seeds))


def make_table(
    records: Sequence[RunRecord],
    *,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    labels: Mapping[Arm, str] | None = None,
) -> Table:
    """The table of these arms and seeds.

    records  of one task; those of other arms or seeds are left out
    arms     of every row, in order
    seeds    declared before running; each arm should have them all
    labels   of rows that are not to be called after their model and what was set otherwise
    Raises UsageError if nothing is finished, if records do not share one protocol, or if two finished ones have one arm
    and seed.
    """
    wanted_arms, wanted_seeds = set(arms), set(seeds)
    mine = [one for one in records if one.spec.arm in wanted_arms and one.spec.seed in wanted_seeds]
    by_arm: dict[Arm, list[RunRecord]] = {arm: [] for arm in arms}
    for record in mine:
        by_arm[record.spec.arm].append(record)
    finished = [record for record in mine if record.status == "finished"]
    if not finished:
        there = choices((record.spec for record in records if record.status == "finished"), "arm")
        raise UsageError(
            f"no finished run of {', '.join(map(str, arms)) or 'any arm'} with seeds {ranges(seeds)}; finished here: "
            f"{there or 'nothing'}. Name others with --models, --methods or --seeds, or run the benchmark first"
        )
    check_one_protocol(mine, finished)
    origins, margin, metrics = [record.provenance for record in finished], margin_of(finished), _metrics(finished)
    compared = [compare([*by_arm[a], *by_arm[b]], a, b, seeds=seeds) for a, b in _pairs(finished, arms)]
    return Table(
        protocol=protocol_of(finished, seeds),
        rows=tuple(
            replace(_row(arm, by_arm[arm], seeds, metrics=metrics), label=(labels or {}).get(arm, arm.row))
            for arm in arms
        ),
        comparisons=adjusted(compared, margin),
        metrics=metrics,
        margin=margin,
        commits=_counted(one.commit[:12] + ("*" if one.dirty else "") for one in origins),
        software=_counted(_software(one) for one in origins),
        others=_counted(one for record in finished for one in _others(record)),
        numerics=_counted(one.numerics.described if one.numerics else "not recorded" for one in origins),
    )


def margin_of(finished: Sequence[RunRecord]) -> EquivalenceMargin:
    """By which differences between these runs are judged: what their selection metric declares as relevant.

    Where that is a share of the targets' standard deviation, this is its mean over tasks and seeds on the test rows,
    and the product is rounded to two digits. Raises UsageError if the metric is not registered.
    """
    metric = METRICS.get(finished[0].spec.metric)
    if not metric.in_target_units:
        return EquivalenceMargin(metric.relevant, metric.larger_is_better)
    tests = [record.scores["test"] for record in _by_seed(finished).values()]
    deviations = [task.sd for test in tests for task in test.tasks.values() if task.sd is not None]
    relevant = float(f"{metric.relevant * _or_zero(_mean(deviations)):.2g}")
    return EquivalenceMargin(relevant, metric.larger_is_better)


def _metrics(finished: Sequence[RunRecord]) -> tuple[str, ...]:
    """The selection metric, then by name the others that every run was scored by, in the same version."""
    first = finished[0].spec.metric
    shared = set.intersection(*(set(record.metrics.items()) for record in finished))
    return (first, *sorted({name for name, _ in shared} - {first}))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names))


def _others(record: RunRecord) -> Iterable[str]:
    """What is known of the code of components that are not pbgraph's; "unknown" where it could not be found out."""
    components = record.provenance.components
    found = {code for name in components for code in others_code(record, name).values()}
    return sorted(found | {f"unknown, of {name}" for name, packages in components.items() if not packages})


def _software(origin: Provenance) -> str:
    versions = [f"{name} {origin.packages[name]}" for name in ("torch", "rdkit", "numpy") if name in origin.packages]
    return ", ".join([*versions, origin.device])


def compare(records: Iterable[RunRecord], a: Arm, b: Arm, *, seeds: Sequence[int]) -> Comparison:
    """The paired difference of two arms; p_holm is p, as of a single comparison.

    records  of one protocol, by whose margin the difference is judged
    Raises UsageError if they share no finished seed.
    """
    finished = [record for record in records if record.status == "finished"]
    by_arm = {arm: _by_seed(record for record in finished if record.spec.arm == arm) for arm in (a, b)}
    shared = [s for s in seeds if _test(by_arm[a].get(s)) is not None and _test(by_arm[b].get(s)) is not None]
    if not shared:
        there = "; ".join(f"{arm}: {ranges(list(by_seed)) or 'none'}" for arm, by_seed in by_arm.items())
        raise UsageError(
            f"{a} and {b} share no finished seed among {ranges(seeds)} (finished seeds of {there}); run both first, or "
            "name others with --seeds"
        )
    check_same_split([by_arm[arm][seed] for seed in shared for arm in (a, b)])
    scores = {arm: [_or_zero(_test(by_arm[arm][seed])) for seed in shared] for arm in (a, b)}
    of_a = [by_arm[a][seed] for seed in shared]
    fixed = _share_one_split(of_a)
    found = paired_difference(scores[a], scores[b], test_share=0.0 if fixed else _test_share(of_a))
    one = Comparison(
        a,
        b,
        seeds=tuple(shared),
        declared=len(seeds),
        mean=found.mean,
        interval=found.interval,
        p=found.p,
        p_holm=None,
        margin=margin_of(finished),
        verdict=Verdict(Outcome.INCOMPLETE),
        one_split=fixed,
    )
    return _judged(one, found.p, one.margin)


def _pairs(finished: Sequence[RunRecord], arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """What the table compares.

    Every arm with its model's plain one, a variant with the one that shares most of what was set otherwise; what is
    paired with a control, with that; and every variant with the preset's recipe, or where that was not run, plain
    variants with the first of them.
    """
    scored: dict[Arm, set[int]] = {}
    for record in finished:
        if _test(record) is not None:
            scored.setdefault(record.spec.arm, set()).add(record.spec.seed)
    by_key = {record.key: record for record in finished}
    plain = [(arm, other) for arm in arms if (other := plain_of(arm, arms))]
    paired = {
        (by_key[key].spec.arm, record.spec.arm) for record in finished if (key := record.spec.control_of) in by_key
    }
    controls = sorted(paired, key=lambda pair: [arms.index(arm) for arm in pair])
    wanted = dict.fromkeys([*plain, *controls, *_variants(arms)])
    return [(a, b) for a, b in wanted if a != b and {a, b} <= scored.keys() and scored[a] & scored[b]]


def plain_of(arm: Arm, arms: Iterable[Arm]) -> Arm | None:
    """The plain arm of its model that has no change that this one has not, and most of those; None if there is none.

    >>> wide = Arm("gin", PLAIN, (("hidden", "64"),))
    >>> plain_of(Arm("gin", "perforated", (("hidden", "64"), ("pool", "4"))), [Arm("gin", PLAIN), wide]) == wide
    True
    """
    mine = set(arm.changes)
    able = [one for one in arms if (one.model, one.method) == (arm.model, PLAIN) and mine.issuperset(one.changes)]
    return max(able, key=lambda one: len(one.changes), default=None)


def _variants(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    first: dict[Arm, Arm] = {}
    for arm in sorted(arms, key=lambda one: bool(one.changes)):
        first.setdefault(arm.plain, arm)
    return [(arm, first[arm.plain]) for arm in arms if arm.method == PLAIN or not first[arm.plain].changes]


def adjusted(comparisons: Sequence[Comparison], margin: EquivalenceMargin) -> tuple[Comparison, ...]:
    """The comparisons with Holm's correction over all of them, and verdicts by this margin and those p-values."""
    tested = [one for one in comparisons if one.p is not None]
    p_holm = dict(zip([id(one) for one in tested], holm([one.p for one in tested if one.p is not None]), strict=True))
    return tuple(_judged(one, p_holm.get(id(one)), margin) for one in comparisons)


def _judged(one: Comparison, p_holm: float | None, margin: EquivalenceMargin) -> Comparison:
    """The comparison with this p-value after Holm, and the verdict by both unless seeds are missing."""
    found = Difference(len(one.seeds), one.mean, one.interval, one.p)
    said = verdict(found, p_holm, by=margin) if one.complete else one.verdict
    return replace(one, p_holm=p_holm, margin=margin, verdict=said)


def _row(arm: Arm, records: Sequence[RunRecord], seeds: Sequence[int], *, metrics: Sequence[str]) -> Row:
    finished = _by_seed(record for record in records if record.status == "finished")
    failed = {
        record.spec.seed: record.error or ""
        for record in records
        if record.status == "failed" and record.spec.seed not in finished
    }
    done = [finished[seed] for seed in seeds if seed in finished]
    tests = [record.scores["test"] for record in done]
    selects = metrics[0]
    undefined = [name for score in tests for name in score.undefined(selects)]
    return Row(
        arm=arm,
        label=arm.row,
        seeds=tuple(record.spec.seed for record in done),
        missing=tuple(seed for seed in seeds if seed not in finished and seed not in failed),
        failed={seed: failed[seed] for seed in seeds if seed in failed},
        test={record.spec.seed: score for record in done if (score := _test(record)) is not None},
        metrics={name: _statistic([score.metrics.get(name) for score in tests]) for name in metrics},
        valid=_statistic([record.scores["valid"].metrics.get(selects) for record in done]),
        parameters=_mean([record.cost.parameters for record in done if record.cost]),
        epochs=_mean([record.cost.epochs for record in done if record.cost]),
        seconds=_mean([record.cost.seconds for record in done if record.cost]),
        undefined={name: undefined.count(name) for name in dict.fromkeys(undefined)},
    )


def _by_seed(records: Iterable[RunRecord]) -> dict[int, RunRecord]:
    return {record.spec.seed: record for record in records}


def _test(record: RunRecord | None) -> float | None:
    """The selection metric on the test rows; None for a run that is not finished, or where it is undefined."""
    if record is None or record.status != "finished":
        return None
    return record.scores["test"].metrics.get(record.spec.metric)


def _share_one_split(records: Sequence[RunRecord]) -> bool:
    """Whether these runs, of several seeds, have one split and so one training set."""
    return len(records) > 1 and len({record.provenance.split_sha256 for record in records}) == 1


def _test_share(records: Sequence[RunRecord]) -> float:
    """Test rows / training rows (validation not counted) over all these runs."""
    test, valid = (sum(record.scores[part].size for record in records) for part in ("test", "valid"))
    accepted = sum(record.provenance.rows - len(record.provenance.rejected) for record in records)
    return test / (accepted - test - valid)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else value


def _statistic(values: Sequence[float | None]) -> Statistic | None:
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    return Statistic(fmean(defined), stdev(defined) if len(defined) > 1 else None)
