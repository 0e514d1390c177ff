"""Real runs in processes of their own: killed in both phases, one still comes to the record of an undisturbed run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

import forked
from isolated import Isolated
from pbgraph.errors import PbgraphError, UsageError
from pbgraph.execution import fitting
from pbgraph.files.hashing import sha256
from pbgraph.metrics import ROC_AUC
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import read_insight
from pbgraph.results.records import RunRecord

pytestmark = pytest.mark.lengthy

RUN = """
import json, os, signal, sys, time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from pbgraph.methods import session
from pbgraph.plans.plan import plan
from pbgraph.execution.fitting import RunOptions
from pbgraph.execution.runner import run

results, method, kills, save_every, processes = sys.argv[1:]
session.REPORT_EVERY, session.SAVE_EVERY = 0.0, float(save_every)
reports = Counter()

def report(now):
    if not reports:
        wait_for_all()
    reports[now.phase] += 1
    if [now.phase, reports[now.phase]] == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def wait_for_all():
    Path(results, f"reporting-{os.getpid()}").touch()
    while len(list(Path(results).glob("reporting-*"))) < int(processes):
        time.sleep(0.02)

for fatal in json.loads(kills):  # each in a copy of this process, which has imported all and done nothing
    if (child := os.fork()) == 0:
        break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "it was not killed"
    assert not list(Path(results, "records").rglob("*.json")), "it was finished"
else:
    fatal = None

specs = plan("toy", "smoke", methods=[method]).specs
config = {"hidden": 8, "depth": 1, "heads": 2, "output_hidden": 8}
for spec in specs:
    spec = replace(spec, model_config={**spec.model_config, **config}, settings={**spec.settings, "batch_size": 32})
    print(run(spec, RunOptions(Path(results)), report=report).digest())
print(json.dumps(reports), file=sys.stderr)
"""
WAITING = "waiting for another process"


def command(toy: Isolated, results: Path, *, method="perforated", kills=(), save_every=45.0, processes=1) -> list[str]:
    """A run that is killed at these reports, (phase, number of the report) one after another, and then is not.

    processes  how many run on this folder: each stops at its first report until all have come that far
    """
    return [str(toy.python), "-c", RUN, str(results), method, json.dumps(kills), str(save_every), str(processes)]


def run(toy: Isolated, results: Path, **how):
    return forked.run(command(toy, results, **how), env=toy.env, timeout=600)


def only_record(results: Path) -> RunRecord:
    (record,) = ResultsFolder(results).records("toy")
    return record


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory) -> tuple[RunRecord, Path]:
    results = tmp_path_factory.mktemp("undisturbed")
    done = run(toy, results)
    assert done.returncode == 0, done.stderr
    return only_record(results), results


@pytest.mark.parametrize("save_every", [0.0, pytest.param(45.0, marks=pytest.mark.slow)])
def test_a_run_killed_in_both_phases_comes_to_the_same_record(toy, undisturbed, tmp_path, save_every):
    kills = [("neuron", 8), ("dendrite", 9), ("neuron", 10)]
    done = run(toy, tmp_path, kills=kills, save_every=save_every)
    assert done.returncode == 0, done.stderr
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
    learnt = read_insight(ResultsFolder(results), record)
    assert all(site.rows >= 24 and site.dendrites for site in learnt.sites.values())
    rows = pq.read_table(path).to_pylist()
    assert {row["row"] for row in rows} == set(range(24))
    assert all(0 <= row["score"] <= 1 and row["y"] in (0.0, 1.0) for row in rows)
    assert set(record.thresholds) == {"balanced_accuracy", "f1", "mcc"}
    assert len(record.history) == record.cost.epochs


def test_a_finished_run_is_not_done_again(toy, undisturbed):
    record, results = undisturbed
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    assert run(toy, results).stdout.strip() == record.digest()
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.json")} == before


def test_two_processes_at_the_same_time_do_a_run_once(toy, undisturbed, tmp_path):
    words = command(toy, tmp_path, processes=2)
    pipes = {"stdout": forked.PIPE, "stderr": forked.PIPE}
    both = [forked.Popen(words, env=toy.env, text=True, **pipes) for _ in range(2)]
    try:
        said = [process.communicate(timeout=600) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    record = only_record(tmp_path)
    assert [digest.strip() for digest, _ in said] == [record.digest()] * 2 == [undisturbed[0].digest()] * 2
    reports = sorted((json.loads(err.splitlines()[-1]) for _, err in said), key=lambda phases: WAITING in phases)
    trained = {"neuron", "dendrite", WAITING}  # beside stages, as compiling
    assert [trained & set(phases) for phases in reports] == [{"neuron", "dendrite"}, {WAITING}]
    assert record.cost.sittings == 1


def test_what_a_method_refuses_in_the_middle_is_its_own_runs_failure(monkeypatch):
    def refuse(task):
        raise UsageError("this model cannot be made wider")

    monkeypatch.setattr(fitting, "METHODS", {"wider": SimpleNamespace(fit=refuse)})
    with pytest.raises(PbgraphError, match="cannot be made wider") as caught:
        fitting.fit_as_planned("wider", SimpleNamespace(checkpoint=None), ROC_AUC)
    assert not isinstance(caught.value, UsageError)  # which would end the whole plan
