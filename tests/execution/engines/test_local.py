"""Real processes, a fake runner: what happens when runs end in all the ways they can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_runner import PROVENANCE, Heard, RunOptions, make_spec, make_work
from pbgraph.errors import DataError, PbgraphError
from pbgraph.execution import numerics
from pbgraph.execution.engines import local
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

pytestmark = pytest.mark.lengthy

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _light_workers(monkeypatch, real_workers):
    """Workers that need no torch: it takes them a second to import, and a fake runner computes nothing.

    What real ones find in their environment is looked at in `tests/execution/test_numerics.py`.
    """
    monkeypatch.setattr(numerics, "_has_avx2", lambda: False)


def run_all(work, folder, *, jobs=2, heard=None):
    return local.run_all(
        work, RunOptions(folder), jobs=jobs, device="cpu", progress=heard or Heard(), runner="fake_runner"
    )


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition):
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def pids(folder: Path) -> list[int]:
    return [int(pid) for sign in folder.glob("*.tries") for pid in sign.read_text().split()]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_run_is_done_once_on_as_many_processes_as_asked(tmp_path, jobs):
    specs = [make_spec(seed=seed) for seed in range(4)]
    records = run_all(make_work(*specs), tmp_path, jobs=jobs)
    assert sorted(record.spec.seed for record in records) == [0, 1, 2, 3]
    assert all(record.details["tries"] == 1 and record.details["threads"] == "1" for record in records)
    assert len(set(pids(tmp_path))) <= min(jobs, 4)
    assert os.getpid() not in pids(tmp_path)
    assert not any(alive(pid) for pid in pids(tmp_path))
    assert all(ResultsFolder(tmp_path).finished("tox21", spec.key) for spec in specs)


def test_a_control_starts_after_its_pair_is_finished(tmp_path):
    pair = make_spec(seed=1)
    heard = Heard()
    run_all(make_work(make_spec(seed=2, control_of=pair.key), pair), tmp_path, heard=heard)
    assert heard.events == [("started", 1), ("ended", 1), ("started", 2), ("ended", 2)]


def test_the_control_of_a_failed_run_fails_and_names_it(tmp_path):
    pair = make_spec("fail", seed=1)
    records = run_all(make_work(make_spec(seed=2, control_of=pair.key), pair, make_spec(seed=3)), tmp_path)
    outcomes = {record.spec.seed: (record.status, record.error) for record in records}
    assert outcomes[1] == ("failed", "ValueError: diverged")
    assert outcomes[2] == ("failed", "the run it is paired with, trimnet/backprop seed 1, failed")
    assert outcomes[3] == ("finished", None)


def test_a_control_of_an_earlier_failure_fails_without_any_worker(tmp_path):
    pair = RunRecord(make_spec(seed=1), "failed", PROVENANCE, error="x")
    (record,) = run_all(make_work(make_spec(control_of=pair.key), failed=(pair,)), tmp_path)
    assert "trimnet/backprop seed 1" in record.error
    assert not pids(tmp_path)


def test_nothing_to_do(tmp_path):
    assert run_all(make_work(), tmp_path) == []


def test_a_killed_worker_costs_one_attempt(tmp_path):
    heard = Heard()
    records = run_all(make_work(make_spec("die once"), make_spec(seed=1)), tmp_path, heard=heard)
    assert {record.spec.seed: (record.status, record.details["tries"]) for record in records} == {
        0: ("finished", 2),
        1: ("finished", 1),
    }
    assert ("left", "its worker was killed by SIGKILL; trying once more") in heard.events


def test_a_run_that_kills_two_workers_is_recorded_as_failed_and_the_rest_is_done(tmp_path):
    specs = [make_spec("die"), *(make_spec(seed=seed) for seed in (1, 2))]
    records = {record.spec.seed: record for record in run_all(make_work(*specs), tmp_path, jobs=1)}
    assert records[0].status == "failed"
    assert records[0].error == "its worker was killed by SIGKILL (2 attempts)"
    assert records[1].status == records[2].status == "finished"
    assert records[0] in ResultsFolder(tmp_path).records(specs[0].task)


def test_a_worker_that_crashes_leaves_its_last_words(tmp_path):
    (record,) = run_all(make_work(make_spec("crash")), tmp_path)
    assert record.error == "its worker ended with status 1: RuntimeError: harness bug 42 (2 attempts)"


@pytest.mark.parametrize(
    ("do", "kind", "text"),
    [
        ("no data", DataError, "no data for tox21"),
        ("full disk", PbgraphError, "trimnet/backprop seed 0 cannot go on: No space left.*; put that right"),
    ],
)
def test_what_is_wrong_outside_the_run_ends_the_work_and_saves_the_others(tmp_path, do, kind, text):
    endless = make_spec("endless", seed=1)
    with pytest.raises(kind, match=text):
        run_all(make_work(endless, make_spec(do)), tmp_path)
    assert not any(alive(pid) for pid in pids(tmp_path))
    assert not list(tmp_path.glob("records/*/*"))
    assert (tmp_path / f"{endless.key}.saved").exists() or f"{endless.key}.tries" not in os.listdir(tmp_path)


def test_warnings_of_workers_reach_the_log_of_their_parent(tmp_path, caplog):
    run_all(make_work(make_spec("warn")), tmp_path)
    assert caplog.messages == ["8 rows rejected"]


PROGRAM = """
import sys
from pathlib import Path
from fake_runner import RunOptions, Heard, make_spec, make_work
from pbgraph.execution import numerics
from pbgraph.execution.engines import local
from pbgraph.errors import Interrupted
local.STOP_SECONDS = 1.0
numerics._has_avx2 = lambda: False
work = make_work(*(make_spec(do, seed=seed) for seed, do in enumerate(sys.argv[2:])))
try:
    local.run_all(work, RunOptions(Path(sys.argv[1])), jobs=2, device="cpu", progress=Heard(), runner="fake_runner")
except Interrupted as error:
    print(error)
    sys.exit(error.exit_code)
"""


STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def heed_signals() -> None:
    """Whoever runs the tests may ignore some, as nohup does."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def program(tmp_path):
    """Starts the program above on runs that do as told, in a process group of its own."""
    started = []

    def start(*what):
        env = {**os.environ, "PYTHONPATH": str(HERE)}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), *what]
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_signals
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("to", [os.kill, os.killpg])  # a plain kill reaches the parent alone, Ctrl-C the whole group
@pytest.mark.parametrize("send", STOPS)
def test_interrupted_work_is_saved_and_no_process_is_left(tmp_path, program, send, to):
    process = program("endless", "endless", "finish")
    wait_for(lambda: len(pids(tmp_path)) == 2)
    to(process.pid, send)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "interrupted with 0 of 3 runs done" in output
    assert len(list(tmp_path.glob("*.saved"))) == 2
    assert not any(alive(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize("send", STOPS)
def test_a_signal_does_not_end_a_worker_while_its_interpreter_starts(tmp_path, monkeypatch, send):
    (tmp_path / "sitecustomize.py").write_text(f"import os\nos.kill(os.getpid(), {int(send)})\n")
    monkeypatch.syspath_prepend(tmp_path)
    heard = Heard()
    run_all(make_work(make_spec()), tmp_path, heard=heard)
    assert heard.events == [("started", 0), ("ended", 0)]
    assert len(pids(tmp_path)) == 1


def test_a_worker_that_does_not_listen_is_killed(tmp_path, program):
    process = program("deaf")
    wait_for(lambda: list(tmp_path.glob("*.deaf")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
    assert process.returncode == 130
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_workers_save_and_leave_when_their_parent_is_killed(tmp_path, program):
    process = program("endless", "endless")
    wait_for(lambda: len(pids(tmp_path)) == 2)
    process.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids(tmp_path)))
    assert len(list(tmp_path.glob("*.saved"))) == 2
