"""Stands in for pbgraph.execution.runner in scale.py: a run sleeps for a known time, and its record is of a usual size.

The record is one of this repository's with another spec; its scores are made up of the run's key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pbgraph.execution.options import RunOptions
from pbgraph.history import Report
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec

RESULTS = Path(__file__).parent.parent / "results"
LENGTH = float(os.environ.get("PBGRAPH_FAKE_SECONDS", "0.01"))  # seconds of a run


@lru_cache(maxsize=1)
def template() -> RunRecord:
    """A finished run of TrimNet with dendrites, the longest history that there is."""
    records = [one for one in ResultsFolder(RESULTS).records("tox21") if one.spec.preset == "default"]
    return max(records, key=lambda one: len(one.history))


def made_up(spec: RunSpec) -> RunRecord:
    """A record of this spec."""
    change = int(spec.key[:6], 16) / 16**6 / 100
    scores = {
        part: replace(score, metrics={name: (value or 0.0) - change for name, value in score.metrics.items()})
        for part, score in template().scores.items()
    }
    details = {name: value for name, value in template().details.items() if "dendrites" not in name}
    return replace(
        template(), spec=spec, scores=scores, details=details, predictions=None, predictions_sha256=None, seal=None
    )


def run(
    spec: RunSpec, options: RunOptions, *, device: str = "cpu", report: Callable[[Report], None] = lambda _: None
) -> RunRecord:
    """Sleep, then write a record."""
    report(Report("neuron", 0, 0.5, 0, 0.5))
    time.sleep(LENGTH)
    record = made_up(spec)
    ResultsFolder(options.results).write(record)
    return record


def failed(spec: RunSpec, options: RunOptions, error: str, **_: Any) -> RunRecord:
    """No run fails here but by a fault."""
    raise AssertionError(f"{spec.key}: {error}")
