"""What the tests of `verify` share: the committed results, and how a test gets at one of them."""

from __future__ import annotations

from pathlib import Path

from pbgraph import bench
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

COMMITTED = Path(__file__).parents[2] / "results"


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def of(results: ResultsFolder, arm: str, seed: int = 68) -> RunRecord:
    (found,) = [one for one in results.records("tox21") if (str(one.spec.arm), one.spec.seed) == (arm, seed)]
    return found
