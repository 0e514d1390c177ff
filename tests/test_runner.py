"""One real run in a process of its own: killed in both phases, it still comes to the record of an undisturbed run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pbgraph.records import ResultsFolder, RunRecord, sha256
from toy_plugin import install

RUN = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from pbgraph.methods import session
from pbgraph.plan import plan
from pbgraph.runner import Folders, run

results, method, phase, count, save_every = sys.argv[1:]
session.REPORT_EVERY, session.SAVE_EVERY = 0.0, float(save_every)
left = int(count)

def report(now):
    global left
    left -= now.phase == phase
    if left == 0 and phase:
        os.kill(os.getpid(), signal.SIGKILL)

specs = plan("toy", "smoke", methods=[method]).specs
config = {"hidden": 8, "depth": 1, "heads": 2, "output_hidden": 8}
for spec in specs:
    spec = replace(spec, model_config={**spec.model_config, **config}, settings={**spec.settings, "batch_size": 16})
    print(run(spec, Folders(Path(results)), report=report).digest())
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("toy"))


def run(env, results: Path, *, method="perforated", phase="", count=0, save_every=45.0):
    arguments = [str(results), method, phase, str(count), str(save_every)]
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def only_record(results: Path) -> RunRecord:
    (record,) = ResultsFolder(results).records("toy")
    return record


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory) -> tuple[RunRecord, Path]:
    results = tmp_path_factory.mktemp("undisturbed")
    done = run(toy, results)
    assert done.returncode == 0, done.stderr
    return only_record(results), results


@pytest.mark.parametrize("save_every", [0.0, 45.0])
def test_a_run_killed_in_both_phases_comes_to_the_same_record(toy, undisturbed, tmp_path, save_every):
    for phase, count in [("neuron", 14), ("dendrite", 9), ("neuron", 20)]:
        killed = run(toy, tmp_path, phase=phase, count=count, save_every=save_every)
        assert killed.returncode == -9, killed.stderr
        assert not list((tmp_path / "records").rglob("*.json"))
    last = run(toy, tmp_path, save_every=save_every)
    assert last.returncode == 0, last.stderr
    record = only_record(tmp_path)
    assert record.digest() == undisturbed[0].digest()
    assert record.cost.sittings > 1
    assert not list((tmp_path / ".work").glob("*.safetensors"))


def test_a_record_says_all_that_a_reader_needs(undisturbed):
    record, results = undisturbed
    assert record.status == "finished"
    assert record.provenance.rows == 240
    assert record.provenance.threads >= 1
    assert {"torch", "rdkit", "numpy"} <= set(record.provenance.packages)
    assert {line.phase for line in record.history} == {"neuron", "dendrite"}
    assert record.scores["test"].size == 24
    assert record.scores["test"].tasks["a"].labelled == 24
    assert sum(record.scores[split].tasks["b"].labelled for split in ("valid", "test")) < 48
    path = results / "predictions" / "toy" / record.predictions
    assert sha256(path.read_bytes()) == record.predictions_sha256
    rows = pq.read_table(path).to_pylist()
    assert {row["split"] for row in rows} == {"valid", "test"}
    assert all(np.isfinite(row["score"]) and row["y"] in (0.0, 1.0) for row in rows)


def test_a_finished_run_is_not_done_again(toy, undisturbed):
    record, results = undisturbed
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    assert run(toy, results).stdout.strip() == record.digest()
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.json")} == before
