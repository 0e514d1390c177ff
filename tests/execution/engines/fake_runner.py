"""Stands in for pbgraph.execution.runner: what a run does is said by its settings, and it takes no time."""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from pbgraph.errors import DataError, Interrupted
from pbgraph.metrics import SplitScore
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import Cost, Provenance, RunRecord, RunSpec

PROVENANCE = Provenance(
    created="2026-01-01T00:00:00+00:00",
    pbgraph="0",
    commit="",
    dirty=False,
    python="3",
    packages={},
    platform="",
    processor="",
    device="cpu",
    threads=1,
    data_sha256="",
    rows=100,
    rejected=(),
    rows_sha256="",
    featuriser="",
    split_sha256="",
)


@dataclass(frozen=True)
class RunOptions:
    results: Path
    leased: bool = False


@dataclass(frozen=True)
class Report:
    phase: str = "neuron"
    epoch: int = 0
    best: float | None = 0.5
    dendrites: int = 0
    fraction: float = 0.0
    epochs: int | None = 60
    share: float | None = None

    @property
    def trains(self) -> bool:
        return self.phase in ("neuron", "dendrite", "fit")


def make_spec(do: str = "finish", *, seed: int = 0, control_of: str | None = None, method: str = "backprop") -> RunSpec:
    return RunSpec(
        task="tox21",
        split="random",
        split_seed=seed,
        model="trimnet",
        method=method,
        seed=seed,
        metric="roc_auc",
        featuriser="graph",
        preset="default",
        model_config={},
        settings={"do": do},
        versions=dict.fromkeys(("task", "split", "featuriser", "model", "method", "metric"), 1),
        control_of=control_of,
    )


def make_record(spec: RunSpec, **details: object) -> RunRecord:
    scores = dict.fromkeys(("test", "valid"), SplitScore(1, {spec.metric: 0.75}, {}))
    return RunRecord(
        spec,
        "finished",
        PROVENANCE,
        scores=scores,
        metrics={spec.metric: 1},
        cost=Cost(1, 2, 3.0, 4, 1),
        details=details,
    )


def make_work(*todo: RunSpec, failed: tuple[RunRecord, ...] = ()) -> SimpleNamespace:
    """What engines and displays read of a plan.Work."""
    failures = {record.key: record for record in failed}
    seconds = {spec.key: 10.0 for spec in todo}
    return SimpleNamespace(
        plan=SimpleNamespace(specs=todo, task="tox21", arms=[spec.arm for spec in todo], labels={}),
        todo=todo,
        finished={},
        failed=failures,
        seconds=seconds,
    )


def run(spec, options, *, device="cpu", report):
    sign = options.results / f"{spec.key}.tries"
    with open(sign, "a") as file:
        file.write(f"{os.getpid()}\n")
    tries = len(sign.read_text().split())
    match spec.settings["do"]:
        case "die" | "die once" if spec.settings["do"] == "die" or tries == 1:
            report(Report())
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            raise RuntimeError("harness bug 42")
        case "fail":
            return failed(spec, options, "ValueError: diverged")
        case "warn":
            logging.getLogger("somewhere").warning("8 rows rejected")
        case "no data":
            raise DataError("no data for tox21")
        case "full disk":
            raise OSError(28, "No space left on device")
        case "endless" | "endless once" if spec.settings["do"] == "endless" or tries == 1:
            _until_stopped(options.results / f"{spec.key}.saved", report)
        case "deaf":
            (options.results / f"{spec.key}.deaf").touch()
            time.sleep(60)
    record = make_record(spec, pid=os.getpid(), tries=tries, threads=os.environ.get("OMP_NUM_THREADS"), device=device)
    ResultsFolder(options.results).write(record)
    return record


def _until_stopped(saved, report):
    for step in range(6000):
        try:
            report(Report(epoch=step, fraction=step / 6000))
        except Interrupted:
            saved.touch()
            raise
        time.sleep(0.01)


def failed(spec, options, error, *, device="cpu"):
    record = RunRecord(spec, "failed", PROVENANCE, error=error)
    ResultsFolder(options.results).write(record)
    return record


class Heard:
    """A progress display that remembers."""

    def __init__(self):
        self.events = []

    def started(self, worker, spec):
        self.events.append(("started", spec.seed))

    def reported(self, worker, report):
        pass

    def ended(self, worker, record):
        self.events.append(("ended", record.spec.seed))

    def left(self, worker, reason):
        self.events.append(("left", reason))

    def note(self, text):
        self.events.append(("note", text))

    def passed(self):
        pass
