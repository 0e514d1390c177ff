"""How runs stand, as seen from outside: by records, locks and what runs say of themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import made_records
from made_records import PROVENANCE
from pbgraph.errors import UsageError
from pbgraph.execution.standing import describe_standing, standing
from pbgraph.files.locks import exclusive, is_held
from pbgraph.methods.base import Report
from pbgraph.plans.declaration import Recipe, Row
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import preset
from pbgraph.results.arms import Arm
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.leases import Leases
from pbgraph.results.progress import published, read_progress
from pbgraph.results.records import RunRecord
from pbgraph.results.trash import move_to_trash

pytestmark = pytest.mark.lengthy


@pytest.fixture(scope="module")
def made():
    """Three arms of three seeds."""
    rows = (Row("trimnet", ("backprop", "perforated", "continued")),)
    seconds = {
        Arm("trimnet", "backprop"): 90.0,
        Arm("trimnet", "perforated"): 450.0,
        Arm("trimnet", "continued"): 285.0,
    }
    return plan("tox21", replace(preset("default"), rows=rows, recipe=Recipe("default"), seconds=seconds))


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path)


def make_record(spec):
    """A finished run of this spec."""
    return replace(made_records.make_record(spec.arm, spec.seed, 0.8), spec=spec)


def states(one):
    return {run.key: run.state for run in one.runs}


def test_every_run_of_the_plan_has_one_state_in_its_order(made, results):
    done, failed, running = made.specs[:3]
    results.write(make_record(done))
    results.write(RunRecord(failed, "failed", PROVENANCE, error="ValueError: no\nluck"))
    results.lock_path(running).parent.mkdir()
    with exclusive(results.lock_path(running)):
        one = standing("tox21", made, results, jobs=2)
    assert [run.state for run in one.runs] == ["done", "failed", "running", *["to do"] * 6]
    assert [run.key for run in one.runs] == [spec.key for spec in made.specs]
    said = describe_standing(one)
    assert "tox21, plan default, split random: 9 runs, 1 done, 1 running, 1 failed, 6 to do" in said
    assert f"failed   {failed.arm} seed 69 ({failed.key}): ValueError: no\\nluck" in said
    assert f"running  {running.arm} seed 70: it does not say how far it is" in said
    assert "to do    trimnet/perforated seeds 68-70, about 7:30 each" in said


def test_a_running_run_says_how_far_it_is_and_when_it_is_done(made, results):
    spec = made.specs[0]  # expected to take 90 s
    times = iter([1000.0, 1010.0, 1040.0])
    with published(results, spec, lambda _: None, now=lambda: next(times)) as tell, exclusive(results.lock_path(spec)):
        tell(Report("neuron", 0, None, 0, 0.0))
        tell(Report("dendrite", 12, 0.8412, 1, 0.5, 60))  # at this rate the longest run takes 30 s more
        one = standing("tox21", made, results, jobs=1, now=1050.0)
    (run,) = [run for run in one.runs if run.state == "running"]
    assert run.seconds_left == pytest.approx(20.0)
    said = "dendrite, epoch 13 of 60, best 0.8412, 1 dendrite, 0:20 left, as of 0:10 ago"
    assert said in describe_standing(one, now=1050.0)
    rest = sum(other.seconds for other in one.runs if other.state == "to do")
    assert one.seconds_left == pytest.approx(rest + 20.0)


def test_a_run_that_does_not_train_yet_says_what_it_does(made, results):
    spec = made.specs[0]
    times = iter([1000.0, 1010.0, 1020.0, 1030.0])
    with published(results, spec, lambda _: None, now=lambda: next(times)) as tell, exclusive(results.lock_path(spec)):
        tell(Report("featurising", share=0.5))
        first = describe_standing(standing("tox21", made, results, jobs=1, now=1010.0), now=1010.0)
        tell(Report("neuron", 6, 0.8, 0, 0.1, 60))
        tell(Report("compiling"))
        then = describe_standing(standing("tox21", made, results, jobs=1, now=1030.0), now=1030.0)
        assert read_progress(results, spec.key).epoch == 6
        assert read_progress(results, spec.key).first == 0.1
    assert "featurising 50%, 1:30 left, as of 0:00 ago" in first
    assert "compiling, 1:11 left, as of 0:00 ago" in then


def test_a_run_of_another_plan_is_shown_too(made, results):
    other = plan("tox21", "smoke").specs[0]
    elsewhere = replace(other, task="esol")
    with (
        published(results, other, lambda _: None),
        published(results, elsewhere, lambda _: None),
        exclusive(results.lock_path(other)),
        exclusive(results.lock_path(elsewhere)),
    ):
        one = standing("tox21", made, results, jobs=1)
    assert states(one)[other.key] == "running"
    assert elsewhere.key not in states(one)
    assert "tox21, preset smoke, split random: 1 run, 0 done, 1 running" in describe_standing(one)


def test_records_without_a_plan_stand_by_themselves(made, results):
    results.write(make_record(made.specs[0]))
    one = standing("tox21", None, results, jobs=1)
    assert describe_standing(one) == "tox21, preset default, split random: 1 run, 1 done"


def test_a_lock_whose_holder_is_gone_runs_nothing_and_its_state_is_gone_on_from(made, results):
    spec = made.specs[0]
    code = (
        "import sys, time; from pathlib import Path; from pbgraph.files.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    with published(results, spec, lambda _: None) as tell:
        results.checkpoint_path(spec).touch()
        words = [sys.executable, "-c", code, str(results.lock_path(spec))]
        holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "held\n"
            assert states(standing("tox21", made, results, jobs=1))[spec.key] == "running"
        finally:
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait(600)
        tell(Report("neuron", 0, None, 0, 0.0))
    path = results.progress_path(spec.key)
    path.write_text(json.dumps({**json.loads(path.read_text()), "epoch": 7}))
    assert results.lock_path(spec).exists()
    one = standing("tox21", made, results, jobs=1)
    assert states(one)[spec.key] == "to do"
    assert "seeds 68-70, about 1:30 each; seed 68 goes on from epoch 8" in describe_standing(one)


def test_what_is_finished_is_done_while_its_lock_is_still_held(made, results):
    results.write(make_record(made.specs[0]))
    results.lock_path(made.specs[0]).parent.mkdir()
    with exclusive(results.lock_path(made.specs[0])):
        assert states(standing("tox21", made, results, jobs=1))[made.specs[0].key] == "done"


def test_a_record_that_cannot_be_read_blocks_its_run_and_no_other(made, results):
    path = results.record_path(made.specs[0])
    path.parent.mkdir(parents=True)
    path.write_text("{")
    one = standing("tox21", made, results, jobs=1)
    assert states(one)[made.specs[0].key] == "blocked"
    assert f"{path} is no record of it; move it away to have the run done" in describe_standing(one)


def test_looking_leaves_nothing_behind_and_hinders_nobody(made, tmp_path):
    folder = ResultsFolder(tmp_path / "none")
    standing("tox21", made, folder, jobs=1)
    assert not folder.root.exists()
    lock = tmp_path / "a.lock"
    assert not is_held(lock)
    with exclusive(lock):
        assert is_held(lock)
        assert is_held(lock)
    lock.touch()  # left by a process that was killed
    assert not is_held(lock)
    with exclusive(lock) as waited:
        assert not waited
    lock.symlink_to("elsewhere")
    assert not is_held(lock)
    os.unlink(lock)
    os.mkfifo(lock)
    assert not is_held(lock)


def test_a_run_under_a_lease_of_another_machine_is_running_and_is_not_moved_away(made, results):
    spec = made.specs[0]
    with Leases(results.leases_path) as leases:
        leases.take(spec.key)
        assert states(standing("tox21", made, results, jobs=1))[spec.key] == "running"
        with pytest.raises(UsageError, match="is running elsewhere"):
            move_to_trash(results, [("tox21", spec.key)])
        later = time.time() + 1e6
        assert states(standing("tox21", made, results, jobs=1, now=later))[spec.key] == "to do"
    assert states(standing("tox21", made, results, jobs=1))[spec.key] == "to do"
