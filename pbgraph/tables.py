"""Records -> rows -> Markdown, CSV or JSON. Works from records alone; needs neither torch nor the data.

A table belongs to one protocol: data, accepted rows, split, metric and preset, and for every arm one set of versions
and settings. Records that differ in one of these are refused, not averaged. Every declared seed of every arm has its
place: a missing run is named, a failed one is a line that says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.records import Provenance, RunRecord, RunSpec, SplitScore, canonical_json, sha256
from pbgraph.stats import Interval, holm, paired_difference, verdict

PLAIN = "backprop"  # the method of the plain model


@dataclass(frozen=True)
class Statistic:
    """Mean over runs, and their standard deviation (None for a single run)."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class Comparison:
    """The paired difference a - b in test score over the seeds that both arms finished.

    p         two-sided, of the corrected resampled t test
    p_holm    adjusted for all comparisons of the table
    complete  whether these are all the declared seeds; if not, there is no verdict
    """

    a: str
    b: str
    seeds: tuple[int, ...]
    mean: float
    interval: Interval | None
    p: float | None
    p_holm: float | None
    complete: bool
    verdict: str


@dataclass(frozen=True)
class Row:
    """One arm.

    seeds    finished; missing: never run; failed: seed -> error
    test     seed -> test ROC-AUC, where it is defined
    """

    model: str
    method: str
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    failed: Mapping[int, str]
    test: Mapping[int, float]
    roc_auc: Statistic | None
    average_precision: Statistic | None
    valid: Statistic | None
    parameters: float | None
    epochs: float | None
    seconds: float | None
    undefined: Mapping[str, int] = field(default_factory=dict)

    @property
    def arm(self) -> str:
        """ "model/method"."""
        return f"{self.model}/{self.method}"


@dataclass(frozen=True)
class Protocol:
    """What all records of a table share; `id` is a hash of it. features: featuriser with version -> models."""

    task: str
    split: str
    metric: str
    preset: str
    seeds: tuple[int, ...]
    selection: str
    data_sha256: str
    rows: int
    rejected: int
    rows_sha256: str
    features: Mapping[str, tuple[str, ...]]

    @property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of all fields."""
        return sha256(canonical_json(self))[:12]


@dataclass(frozen=True)
class Table:
    """Rows in the order of the plan, and comparisons.

    commits   source commit -> runs, "*" marks uncommitted changes
    software  versions and device that numbers depend on -> runs
    """

    protocol: Protocol
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    commits: Mapping[str, int]
    software: Mapping[str, int]

    @property
    def arms(self) -> tuple[str, ...]:
        """ "model/method" of every row."""
        return tuple(row.arm for row in self.rows)


def make_table(records: Sequence[RunRecord], *, arms: Sequence[str], seeds: Sequence[int]) -> Table:
    """The table of these arms and seeds.

    records  of one task; those of other arms or seeds are left out
    arms     "model/method" of every row, in order
    seeds    declared before running; each arm should have them all
    Raises UsageError if nothing is finished, or if records do not share one protocol.
    """
    mine = [record for record in records if record.spec.arm in arms and record.spec.seed in seeds]
    finished = [record for record in mine if record.status == "finished"]
    if not finished:
        raise UsageError(
            "no finished run to show; run the benchmark first, or name another --preset, --split or --results"
        )
    _check_one_protocol(mine, finished)
    origins = [record.provenance for record in finished]
    rows = tuple(_row(arm, [record for record in mine if record.spec.arm == arm], seeds) for arm in arms)
    return Table(
        protocol=_protocol(finished, seeds),
        rows=rows,
        comparisons=_adjusted([compare(finished, a, b, seeds=seeds) for a, b in _pairs(finished, arms)]),
        commits=_counted(one.commit[:12] + ("*" if one.dirty else "") for one in origins),
        software=_counted(_software(one) for one in origins),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names))


def _software(origin: Provenance) -> str:
    versions = [f"{name} {origin.packages[name]}" for name in ("torch", "rdkit", "numpy") if name in origin.packages]
    return ", ".join([*versions, origin.device])


def compare(records: Iterable[RunRecord], a: str, b: str, *, seeds: Sequence[int]) -> Comparison:
    """The paired difference of two arms; p_holm is p, as of a single comparison.

    Raises UsageError if they share no finished seed.
    """
    by_arm = {arm: _by_seed(record for record in records if record.spec.arm == arm) for arm in (a, b)}
    shared = [s for s in seeds if _test(by_arm[a].get(s)) is not None and _test(by_arm[b].get(s)) is not None]
    if not shared:
        raise UsageError(f"{a} and {b} share no finished seed among {', '.join(map(str, seeds))}; run both first")
    _check_same_split([by_arm[arm][seed] for seed in shared for arm in (a, b)])
    scores = {arm: [_test(by_arm[arm][seed]) or 0.0 for seed in shared] for arm in (a, b)}
    found = paired_difference(scores[a], scores[b], test_share=_test_share([by_arm[a][seed] for seed in shared]))
    complete = len(shared) == len(seeds)
    words = (
        verdict(found.interval, found.p, a=a, b=b) if complete else f"incomplete: {len(shared)} of {len(seeds)} seeds"
    )
    return Comparison(a, b, tuple(shared), found.mean, found.interval, found.p, found.p, complete, words)


def _pairs(finished: Sequence[RunRecord], arms: Sequence[str]) -> list[tuple[str, str]]:
    """What the table compares: every arm with its model's plain one, and what is paired with a control, with that."""
    present = {record.spec.arm for record in finished}
    by_key = {record.key: record for record in finished}
    plain = [(arm, f"{arm.split('/')[0]}/{PLAIN}") for arm in arms]
    paired = {
        (by_key[key].spec.arm, record.spec.arm) for record in finished if (key := record.spec.control_of) in by_key
    }
    controls = sorted(paired, key=lambda pair: [arms.index(arm) for arm in pair])
    wanted = dict.fromkeys([*plain, *controls])
    return [(a, b) for a, b in wanted if a != b and {a, b} <= present and _shares_a_seed(finished, a, b)]


def _shares_a_seed(finished: Sequence[RunRecord], a: str, b: str) -> bool:
    scored = [{r.spec.seed for r in finished if r.spec.arm == arm and _test(r) is not None} for arm in (a, b)]
    return bool(scored[0] & scored[1])


def _adjusted(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """With Holm's correction over all of them, and verdicts by the corrected p-values."""
    tested = [one for one in comparisons if one.p is not None]
    p_holm = dict(zip([id(one) for one in tested], holm([one.p for one in tested if one.p is not None]), strict=True))
    return tuple(_with_p(one, p_holm.get(id(one))) for one in comparisons)


def _with_p(one: Comparison, p_holm: float | None) -> Comparison:
    words = verdict(one.interval, p_holm, a=one.a, b=one.b) if one.complete else one.verdict
    return replace(one, p_holm=p_holm, verdict=words)


def _row(arm: str, records: Sequence[RunRecord], seeds: Sequence[int]) -> Row:
    finished = _by_seed(record for record in records if record.status == "finished")
    failed = {record.spec.seed: record.error or "" for record in records if record.status == "failed"}
    done = [finished[seed] for seed in seeds if seed in finished]
    tests = [record.scores["test"] for record in done]
    undefined = [name for score in tests for name in score.undefined]
    model, method = arm.split("/")
    return Row(
        model=model,
        method=method,
        seeds=tuple(record.spec.seed for record in done),
        missing=tuple(seed for seed in seeds if seed not in finished and seed not in failed),
        failed={seed: failed[seed] for seed in seeds if seed in failed},
        test={record.spec.seed: score for record in done if (score := _test(record)) is not None},
        roc_auc=_statistic(tests, lambda score: score.roc_auc),
        average_precision=_statistic(tests, lambda score: score.average_precision),
        valid=_statistic([record.scores["valid"] for record in done], lambda score: score.roc_auc),
        parameters=_mean([record.cost.parameters for record in done if record.cost]),
        epochs=_mean([record.cost.epochs for record in done if record.cost]),
        seconds=_mean([record.cost.seconds for record in done if record.cost]),
        undefined={name: undefined.count(name) for name in dict.fromkeys(undefined)},
    )


def _by_seed(records: Iterable[RunRecord]) -> dict[int, RunRecord]:
    return {record.spec.seed: record for record in records}


def _test(record: RunRecord | None) -> float | None:
    return None if record is None or record.status != "finished" else record.scores["test"].roc_auc


def _test_share(records: Sequence[RunRecord]) -> float:
    """Test rows / training rows (validation not counted) over all these runs, or 0 if they share one training set."""
    if len({record.provenance.split_sha256 for record in records}) == 1 and len(records) > 1:
        return 0.0
    test, valid = (sum(record.scores[part].size for record in records) for part in ("test", "valid"))
    accepted = sum(record.provenance.rows - len(record.provenance.rejected) for record in records)
    return test / (accepted - test - valid)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _statistic(scores: Sequence[SplitScore], value: Callable[[SplitScore], float | None]) -> Statistic | None:
    defined = [found for score in scores if (found := value(score)) is not None]
    if not defined:
        return None
    return Statistic(fmean(defined), stdev(defined) if len(defined) > 1 else None)


def _protocol(finished: Sequence[RunRecord], seeds: Sequence[int]) -> Protocol:
    spec, origin = finished[0].spec, finished[0].provenance
    by_featuriser = sorted({(record.provenance.featuriser, record.spec.model) for record in finished})
    return Protocol(
        task=f"{spec.task} v{spec.versions['task']}",
        split=f"{spec.split} v{spec.versions['split']}",
        metric=f"{spec.metric} v{spec.versions['metric']}",
        preset=spec.preset,
        seeds=tuple(seeds),
        selection="validation selects, test is scored once",
        data_sha256=origin.data_sha256,
        rows=origin.rows,
        rejected=len(origin.rejected),
        rows_sha256=origin.rows_sha256,
        features={
            name: tuple(model for _, model in group) for name, group in groupby(by_featuriser, key=lambda pair: pair[0])
        },
    )


def arm_identity(spec: RunSpec) -> dict[str, Any]:
    """What all runs of one arm must share: all of the spec but its seeds and its pair."""
    left_out = {"seed", "split_seed", "control_of"}
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__ if name not in left_out}


def _check_one_protocol(records: Sequence[RunRecord], finished: Sequence[RunRecord]) -> None:
    for arm in dict.fromkeys(record.spec.arm for record in records):
        same = [record for record in records if record.spec.arm == arm]
        _check_equal(f"runs of {arm}", same, lambda record: arm_identity(record.spec))
    _check_equal("these runs", finished, _common)
    _check_same_split(finished)


def _common(record: RunRecord) -> dict[str, Any]:
    spec, origin = record.spec, record.provenance
    versions = {name: spec.versions.get(name) for name in ("task", "split", "metric")}
    fields = {name: getattr(spec, name) for name in ("task", "split", "metric", "preset")}
    return {**fields, "versions": versions, "data": origin.data_sha256, "accepted rows": origin.rows_sha256}


def _check_same_split(records: Sequence[RunRecord]) -> None:
    by_seed = sorted(records, key=lambda record: record.spec.seed)
    for seed, same in groupby(by_seed, key=lambda record: record.spec.seed):
        _check_equal(f"runs of seed {seed}", list(same), lambda record: {"split": record.provenance.split_sha256})


def _check_equal(what: str, records: Sequence[RunRecord], facts: Callable[[RunRecord], dict[str, Any]]) -> None:
    """Raises UsageError, naming what differs and two records that do."""
    first, mine = records[0], facts(records[0])
    for other in records[1:]:
        theirs = facts(other)
        differing = [name for name in mine if mine[name] != theirs[name]]
        if differing:
            details = "; ".join(f"{name}: {_difference(mine[name], theirs[name])}" for name in differing)
            raise UsageError(
                f"{what} do not share one protocol, so no table mixes them: records {first.key} and {other.key} differ "
                f"in {details}. Move those that are not wanted to another folder, or narrow the table with --preset, "
                "--split, --models, --methods or --seeds"
            )


def _difference(a: Any, b: Any) -> str:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        names = [name for name in {**a, **b} if a.get(name) != b.get(name)]
        return ", ".join(f"{name} {a.get(name)} / {b.get(name)}" for name in names)
    return f"{a} / {b}"
