"""Records as runs would leave them, without running anything."""

from __future__ import annotations

from dataclasses import replace

from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.history import Epoch, Selection
from pbgraph.insight import DendriteInsight, Insight, SiteInsight
from pbgraph.metrics import SplitScore, TaskScore
from pbgraph.results.arms import Arm, parse_arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import DIGEST, write_insight
from pbgraph.results.records import Cost, Provenance, RunRecord, RunSpec

PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    pbgraph="0",
    commit="c0ffee0000000000",
    dirty=False,
    python="3",
    packages={},
    platform="",
    processor="",
    device="cpu",
    threads=1,
    data_sha256="d" * 64,
    rows=1008,
    rejected=(),
    rows_sha256="r" * 64,
    featuriser="graph v1",
    split_sha256="",
)


def arms(*names: str) -> tuple[Arm, ...]:
    return tuple(map(parse_arm, names))


def make_spec(arm: Arm | str, seed: int, *, control_of: str | None = None, **changes) -> RunSpec:
    arm = parse_arm(arm) if isinstance(arm, str) else arm
    spec = RunSpec(
        task="tox21",
        split="random",
        split_seed=seed,
        model=arm.model,
        method=arm.method,
        seed=seed,
        metric="roc_auc",
        featuriser="graph",
        preset="default",
        model_config={"hidden": 32, **dict(arm.changes)},
        settings={"epochs": 3},
        versions=dict.fromkeys(("task", "split", "featuriser", "model", "method", "metric"), 1),
        control_of=control_of,
        changes=dict(arm.changes),
    )
    return replace(spec, **changes)


def make_record(
    arm: Arm | str, seed: int, test: float | None, *, provenance: Provenance = PROVENANCE, **spec
) -> RunRecord:
    """A finished run with this test score; 100 test, 100 validation and 808 training rows."""
    metrics = {"roc_auc": test, "average_precision": None if test is None else test / 2}
    tasks = {} if test is not None else {"A": TaskScore(metrics, labelled=100, positives=0)}
    return RunRecord(
        make_spec(arm, seed, **spec),
        "finished",
        replace(provenance, split_sha256=provenance.split_sha256 or f"split {seed}"),
        selection=Selection("best", 1, 0.8),
        scores={
            "test": SplitScore(100, metrics, tasks),
            "valid": SplitScore(100, {"roc_auc": 0.8, "average_precision": 0.4}, {}),
        },
        metrics={"roc_auc": 1, "average_precision": 1},
        cost=Cost(parameters=1000 + seed, epochs=10 * seed, seconds=60.0, peak_memory_bytes=1, sittings=1),
        history=history("neuron", "neuron"),
    )


def make_regression_record(arm: Arm | str, seed: int, test: float, **spec) -> RunRecord:
    """A finished run with this test RMSE on targets with standard deviation 2."""
    record = make_record(arm, seed, 0.5, metric="rmse", task="esol", **spec)
    metrics = {"mae": 0.8 * test, "r2": 1 - test**2 / 4, "rmse": test}
    score = SplitScore(100, metrics, {"y": TaskScore(metrics, labelled=100, sd=2.0)})
    versions = {"mae": 1, "r2": 1, "rmse": 1}
    return replace(record, scores={"test": score, "valid": score}, metrics=versions)


def make_failure(arm: Arm | str, seed: int, error: str) -> RunRecord:
    provenance = replace(PROVENANCE, split_sha256=f"split {seed}")
    return RunRecord(make_spec(arm, seed), "failed", provenance, error=error)


def history(*phases: str, dendrites: tuple[int, ...] | None = None) -> tuple[Epoch, ...]:
    counts = dendrites or (0,) * len(phases)
    return tuple(
        Epoch(epoch=e, phase=phase, dendrites=count, train_loss=0.1, valid=0.7 + 0.01 * e, learning_rate=1e-3)
        for e, (phase, count) in enumerate(zip(phases, counts, strict=True))
    )


def make_insight() -> Insight:
    """Two sites: a dendrite was kept at both, a second one dropped at the first and failed at the other."""
    kept = DendriteInsight(
        number=1,
        epoch=40,
        mean_correlation=(0.1, 0.2, 0.15),
        max_correlation=(0.2, 0.5, 0.25),
        correlation=(0.5, 0.1),
        w=(1.23456789, -0.000123456789),
        variance_share=(0.25, 0.0625),
        covariance_share=(0.5, -0.125),
    )
    dropped = DendriteInsight(
        number=2,
        outcome="dropped",
        epoch=70,
        mean_correlation=(0.1, 0.05),
        max_correlation=(0.1, 0.1),
        correlation=(0.0, 0.2),
    )
    failed = DendriteInsight(number=2, outcome="failed", epoch=70)
    last = replace(kept, correlation=(0.75,), w=(2.0,), variance_share=(0.5,), covariance_share=(0.5,))
    return Insight({"conv": SiteInsight(2, 100, (kept, dropped)), "out": SiteInsight(1, 10, (last, failed))})


def write_grown(results: ResultsFolder, arm: str, seed: int, found: Insight | None = None) -> RunRecord:
    """Write a finished run with dendrites, of which this was found; returns its record."""
    record = make_record(arm, seed, 0.8)
    digest = write_insight(results.dendrites_path(record.spec), found or make_insight())
    record = replace(record, details={"dendrites": 1, "events": [], DIGEST: digest})
    results.write(record)
    return record


def write_earlier(results: ResultsFolder, arm: str, seed: int) -> RunRecord:
    """The same with an insight as earlier versions wrote it."""
    record = make_record(arm, seed, 0.8)
    content, path = canonical_json(make_insight()), results.dendrites_paths(record.spec)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    record = replace(record, details={"dendrites": 1, "events": [], DIGEST: sha256(content)})
    results.write(record)
    return record
