"""Workers that share a folder: which run is whose, and what happens when one of them is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from fake_runner import PROVENANCE, Heard, RunOptions, make_record, make_spec, make_work
from pbgraph.errors import Interrupted
from pbgraph.execution import numerics
from pbgraph.execution.engines.pulling import PATIENCE, PulledRuns, Pulling
from pbgraph.files.locks import exclusive
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.leases import Leases
from pbgraph.results.records import RunRecord

HERE = Path(__file__).parent


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def pull(results):
    """Makes sources of runs, each of a worker of its own, with a clock that stands still unless it is moved."""
    open_leases, clock = [], Clock()

    def make(*todo, stays=True, failed=()):
        leases = Leases(results.leases_path, every=3600.0).__enter__()
        open_leases.append(leases)
        heard = []
        work = make_work(*todo, failed=failed)
        runs = PulledRuns(work, results, leases, stays=stays, heard=heard.append, now=clock)
        runs.heard, runs.clock = heard, clock
        return runs

    yield make
    for leases in open_leases:
        leases.__exit__(None, None, None)


def test_two_workers_take_different_runs_and_both_hear_of_all(pull, results):
    specs = [make_spec(seed=seed) for seed in range(3)]
    a, b = pull(*specs), pull(*specs)
    assert [a.take(), b.take(), a.take(), b.take()] == [*specs, None]
    for spec, worker in zip(specs, (a, b, a), strict=True):
        results.write(make_record(spec))
        worker.close(make_record(spec))
    for worker in (a, b):
        worker.clock.now += 60
        assert worker.take() is None
        assert not worker.waiting
    assert [record.spec.seed for record in a.heard] == [1]
    assert sorted(record.spec.seed for record in b.heard) == [0, 2]


def test_a_control_starts_wherever_its_pair_was_done(pull, results):
    pair = make_spec()
    control = make_spec(seed=1, control_of=pair.key)
    a, b = pull(pair, control), pull(pair, control)
    assert a.take() == pair
    assert b.take() is None
    assert b.waiting
    results.write(make_record(pair))
    a.close(make_record(pair))
    b.clock.now += 60
    assert b.take() == control
    assert a.take() is None


def test_the_failure_of_a_doomed_control_is_written_by_one_worker(pull, results):
    pair = make_spec()
    control = make_spec(seed=1, control_of=pair.key)
    a, b = pull(pair, control), pull(pair, control)
    assert a.take() == pair
    assert b.take() is None
    failure = RunRecord(pair, "failed", PROVENANCE, error="x")
    results.write(failure)
    a.close(failure)
    assert a.take_without_pair() == (control, "trimnet/backprop seed 0")
    b.clock.now += 60
    assert (b.take(), b.take_without_pair()) == (None, None)
    assert b.waiting
    doomed = RunRecord(control, "failed", PROVENANCE, error="its pair failed")
    results.write(doomed)
    a.close(doomed)
    b.clock.now += 60
    assert (b.take(), b.take_without_pair()) == (None, None)
    assert not a.waiting
    assert not b.waiting


def test_an_earlier_failure_is_not_taken_for_that_of_another_worker(pull, results):
    spec = make_spec()
    results.write(RunRecord(spec, "failed", PROVENANCE, error="earlier"))
    a, b = pull(spec), pull(spec)  # tried again
    assert a.take() == spec
    assert b.take() is None
    again = RunRecord(spec, "failed", PROVENANCE, error="again")
    results.write(again)
    a.close(again)
    b.clock.now += 60
    assert b.take() is None
    assert [record.error for record in b.heard] == ["again"]


def test_what_comes_and_is_no_record_costs_its_run_and_those_that_wait_for_it(pull, results, caplog):
    pair, other = make_spec(), make_spec(seed=2)
    control = make_spec(seed=1, control_of=pair.key)
    a = pull(pair, control, make_spec(seed=3, control_of=control.key), other)
    results.record_path(pair).parent.mkdir(parents=True)
    results.record_path(pair).write_bytes(b"torn")
    assert a.take() == other
    assert f"left out: {results.record_path(pair)} is not a run record" in caplog.text
    a.close(make_record(other))
    assert a.take() is None
    assert not a.waiting


def test_a_failure_that_is_no_record_does_not_keep_a_run_from_being_done(pull, results):
    spec = make_spec()
    a = pull(spec)
    results.failure_path(spec, 1).parent.mkdir(parents=True)
    results.failure_path(spec, 1).write_bytes(b"torn")
    assert a.take() == spec


def test_a_worker_sweeps_what_killed_ones_left_long_ago(results):
    folder = results.record_path(make_spec()).parent
    folder.mkdir(parents=True)
    old, young = (folder / f".{name}.json.0-0.part" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    Pulling()(make_work(), RunOptions(results.root), jobs=1, device="cpu", progress=Heard(), runner="fake_runner")
    assert (old.exists(), young.exists()) == (False, True)


def test_who_does_not_stay_leaves_what_others_do(pull):
    spec = make_spec()
    a, b = pull(spec), pull(spec, stays=False)
    a.take()
    assert b.take() is None
    assert not b.waiting


def test_a_run_of_a_process_without_leases_is_left_to_it_until_it_has_been_silent_for_long(pull, results):
    spec = make_spec()
    a = pull(spec)
    results.lock_path(spec).parent.mkdir(exist_ok=True)
    with exclusive(results.lock_path(spec)):
        for _ in range(3):
            assert a.take() is None
            a.clock.now += PATIENCE / 4
        a.clock.now += PATIENCE
        assert a.take() == spec


WORKER = """
import sys
from pathlib import Path
from fake_runner import RunOptions, Heard, make_spec, make_work
from pbgraph.execution import numerics
from pbgraph.execution.engines import local
from pbgraph.execution.engines.pulling import Pulling
from pbgraph.errors import Interrupted
local.STOP_SECONDS = 1.0
numerics._has_avx2 = lambda: False
todo = [make_spec(do, seed=seed) for seed, do in enumerate(sys.argv[3:])]
todo += [make_spec(seed=100 + spec.seed, control_of=spec.key) for spec in todo if spec.settings["do"] == "fail"]
options = RunOptions(Path(sys.argv[1]))
try:
    engine = Pulling(every=float(sys.argv[2]))
    done = engine(make_work(*todo), options, jobs=1, device="cpu", progress=Heard(), runner="fake_runner")
except Interrupted as error:
    sys.exit(error.exit_code)
assert len(done) == len(todo), done
"""


@pytest.fixture
def worker(tmp_path):
    started = []

    def start(*what, every=0.2):
        words = [sys.executable, "-c", WORKER, str(tmp_path), str(every), *what]
        started.append(subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(HERE)}, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.thorough
@pytest.mark.lengthy
def test_three_workers_do_every_run_once_and_write_down_one_failure_of_each(tmp_path, worker, results):
    what = ["finish"] * 8 + ["fail", "die once"]
    workers = [worker(*what, every=5) for _ in range(3)]
    assert [process.wait(600) for process in workers] == [0, 0, 0]
    assert Counter(record.status for record in results.records("tox21")) == {"finished": 9, "failed": 2}
    assert len(list(tmp_path.glob("records/tox21/*.json"))) == 11
    tries = Counter(len(sign.read_text().split()) for sign in tmp_path.glob("*.tries"))
    assert tries == {1: 9, 2: 1}
    assert not list(results.leases_path.iterdir())


@pytest.mark.lengthy
def test_what_a_killed_worker_was_at_is_taken_over(tmp_path, worker, results):
    first = worker("endless once", "finish")
    wait_for(lambda: list(tmp_path.glob("*.tries")))
    second = worker("endless once", "finish")
    wait_for(lambda: results.records("tox21"))
    os.killpg(first.pid, signal.SIGKILL)
    assert second.wait(600) == 0
    assert sorted(len(sign.read_text().split()) for sign in tmp_path.glob("*.tries")) == [1, 2]


@pytest.mark.slow
def test_a_run_that_somebody_has_taken_over_is_left(tmp_path, worker, results):
    first = worker("endless once")
    wait_for(lambda: list(tmp_path.glob("*.tries")))
    (lease,) = results.leases_path.glob("*.1")
    lease.with_suffix(".2").write_text("0" * 16)  # of a worker that took the first for dead
    assert first.wait(600) == 0  # it comes back to it when that worker is dead
    assert results.finished("tox21", lease.stem).details["tries"] == 2


@pytest.mark.lengthy
def test_when_the_time_is_up_the_run_is_saved_and_given_back(tmp_path, monkeypatch, results, real_workers):
    monkeypatch.setattr(numerics, "_has_avx2", lambda: False)
    spec, heard = make_spec("endless"), Heard()
    engine = Pulling(seconds=1.0)
    with pytest.raises(Interrupted, match=r"the time is up with 0 of 1 runs done; the same command goes on from here"):
        engine(make_work(spec), RunOptions(tmp_path), jobs=1, device="cpu", progress=heard, runner="fake_runner")
    assert not list(results.leases_path.iterdir())
    assert ("left", "saved") in heard.events or heard.events == [("started", 0)]
