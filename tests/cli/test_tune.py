"""`tune` as a user meets it, on a small table of one's own."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import forked
from own_tables import write
from pbgraph import bench
from pbgraph.datasets.user.table import describe
from pbgraph.files.reading import decoded
from pbgraph.plans.plan_file import read_plan
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

pytestmark = pytest.mark.lengthy

QUICK = ("--models", "gin", "--seeds", "0-1", "--set", "training.epochs=2", "--jobs", "1")


def described(folder: Path) -> str:
    """A task of one's own, known to folder/results."""
    table = describe(write(folder), smiles="SMILES", targets=["toxic", "even"], id="name")
    keep(table, ResultsFolder(folder / "results"))
    return table.name


def words(folder: Path, task: str, *options: object) -> list[str]:
    given = [str(one) for one in (*QUICK, *options)]
    return ["tune", task, *given, "--results", str(folder / "results")]


def tune(folder: Path, task: str, *options: object) -> int:
    return bench.main(words(folder, task, *options))


def started(folder: Path, task: str, *options: object) -> forked.Popen:
    command = [sys.executable, "-P", "-m", "pbgraph.bench", *words(folder, task, *options)]
    return forked.Popen(command, stdout=forked.PIPE, stderr=forked.PIPE, text=True)


def lines(folder: Path, task: str, arm: str = "gin-backprop") -> list[dict]:
    path = folder / "results" / "tuning" / task / f"{arm}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def pairs(folder: Path) -> list[Path]:
    return sorted((folder / "results" / ".work" / "pairs").glob("*"))


def outcomes(folder: Path, task: str) -> list[tuple]:
    """All that does not depend on the machine's speed."""
    return [(one["number"], one["state"], one["config"], one["settings"], one["scores"]) for one in lines(folder, task)]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, str]:
    """Three trials in one go."""
    folder = tmp_path_factory.mktemp("tuned")
    task = described(folder)
    assert tune(folder, task, "--trials", "3") == 0
    return folder, task


def test_what_was_tried_is_on_file_and_is_not_tried_again(undisturbed, capsys):
    folder, task = undisturbed
    found = lines(folder, task)
    assert [one["number"] for one in found] == [0, 1, 2]
    assert found[0]["changes"] == {"epochs": 2}
    assert {tuple(one["seeds"]) for one in found} == {(0, 1)}
    assert all(len(one["scores"]) == len(one["seconds"]) == 2 for one in found)
    assert all(one["versions"] and one["numerics"] and one["parameters"] for one in found)
    assert tune(folder, task, "--trials", "3") == 0
    said = capsys.readouterr()
    assert "to do" not in said.err
    assert f"### gin/backprop on {task}" in said.out
    assert "3 settings tried on the validation rows of seeds 0-1" in said.out
    assert len(lines(folder, task)) == 3
    assert not list((folder / "results").rglob("*.lock"))
    assert not (folder / "results" / "records").exists()


@pytest.mark.parametrize("moment", ["first seed", "second seed"])
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path, undisturbed, moment):
    task = described(tmp_path)
    first = started(tmp_path, task, "--trials", "3")
    seen = "trial 1 seed 0" if moment == "first seed" else "trial 1 seed 1"
    assert first.stderr is not None
    for line in first.stderr:
        if f"{seen}: started" in line:
            break
    first.kill()
    first.communicate()
    assert len(lines(tmp_path, task)) == 1
    kept = [decoded(path.read_bytes(), RunRecord) for path in pairs(tmp_path)]
    assert tune(tmp_path, task, "--trials", "3") == 0
    assert outcomes(tmp_path, task) == outcomes(*undisturbed)
    assert kept or moment == "first seed"
    for record in kept:  # is not trained again: its seconds are those of then
        assert lines(tmp_path, task)[1]["seconds"][record.spec.seed] == round(record.cost.seconds, 3)
    assert not pairs(tmp_path)


def test_two_searches_at_once_share_the_trials(tmp_path):
    task = described(tmp_path)
    both = [started(tmp_path, task, "--trials", "4") for _ in range(2)]
    for one in both:
        out, err = one.communicate(timeout=600)
        assert one.returncode == 0, err
        assert "4 settings tried" in out
    assert sorted(one["number"] for one in lines(tmp_path, task)) == [0, 1, 2, 3]


def test_ctrl_c_loses_nothing(tmp_path):
    task = described(tmp_path)
    one = started(tmp_path, task, "--trials", "200")
    wait_for(lambda: lines(tmp_path, task))
    one.send_signal(signal.SIGINT)
    _, err = one.communicate(timeout=600)
    assert one.returncode == 130
    assert "the same command goes on from here" in err
    assert lines(tmp_path, task)[0]["state"] == "finished"


def test_several_models_and_workers_and_a_plan_of_the_best(tmp_path, capsys):
    task, plan = described(tmp_path), tmp_path / "best.toml"
    options = ("--models", "random-forest", "gin", "--jobs", "2", "--set", "random-forest.trees=10", "--trials", "2")
    assert tune(tmp_path, task, *options, "--write-plan", plan) == 0
    said = capsys.readouterr()
    assert said.out.count("2 settings tried") == 2
    assert {len(lines(tmp_path, task, arm)) for arm in ("random-forest-fit", "gin-backprop")} == {2}
    declared = read_plan(plan)
    assert [str(arm) for arm in declared.arms] == ["random-forest/fit", "gin/backprop"]
    assert declared.rows[0].config["trees"] == 10
    assert declared.rows[1].settings["epochs"] == 2
    assert declared.seeds == (68, 69, 70)


@pytest.mark.thorough
def test_settings_that_fail_are_lines_too(tmp_path, capsys):
    task = described(tmp_path)
    hot = ("--set", "training.epochs=2", "training.learning_rate=1e30", "training.clip_norm=0", "--trials", "2")
    assert tune(tmp_path, task, *hot) == 1
    found = lines(tmp_path, task)
    assert {one["state"] for one in found} == {"failed"}
    assert all(one["reason"].startswith("seed 0: ") and one["scores"] == [] for one in found)
    said = capsys.readouterr()
    assert "FAILED" in said.err
    assert "No trial was finished." in said.out


def test_a_control_is_judged_by_its_own_score_and_shares_what_it_is_paired_with(tmp_path, capsys):
    task = described(tmp_path)
    small = ("--set", "training.epochs=2", "perforated.cycle_epochs=1", "perforated.dendrite_epochs=1")
    fixed = (*small, "perforated.max_dendrites=1", "--trials", "2")
    assert tune(tmp_path, task, "--methods", "continued", *fixed) == 0
    kept = pairs(tmp_path)
    found = lines(tmp_path, task, "gin-continued")
    assert [one["state"] for one in found] == ["finished"] * 2
    assert len(kept) == 4  # of two trials, two seeds each
    assert tune(tmp_path, task, "--methods", "widened-continued", *fixed) == 0
    first, *_ = lines(tmp_path, task, "gin-widened-continued")
    assert first["scores"] != found[0]["scores"]
    assert first["parameters"] > found[0]["parameters"]
    said = capsys.readouterr()
    assert "gin/perforated trial 0 seed 0: started" in said.err
    assert "gin/widened-continued trial 0 seed 0: started" in said.err
    assert not (tmp_path / "results" / "records").exists()
    assert len(pairs(tmp_path)) <= 6  # those of the recipe are shared


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trials", "0"), "--trials 0: expected"),
        (("--trials", "many"), "--trials many: expected"),
        (("--seeds", "0", "68"), "seeds 68 belong to results"),
        (("--models", "gni"), "did you mean 'gin'"),
        (("--methods", "bakprop"), "did you mean 'backprop'"),
        (("--methods", "fit"), "use method 'backprop'"),
        (("--set", "gin.hiden=3"), "did you mean 'gin.hidden'"),
        (("--set", "trimnet.hidden=3"), "no planned arm takes it"),
        (("--preset", "defualt"), "did you mean 'default'"),
        (("--split", "randm"), "did you mean 'random'"),
        (("--write-plan", "/dev/null/plan.toml"), "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, options, message):
    assert bench.main(["tune", "tox21", *QUICK, "--results", str(tmp_path / "results"), *options]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("what", ["results", "tuning"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys, what):
    task = described(tmp_path)
    if what == "results":
        folder = tmp_path / "file"
        folder.write_text("")
        words = ["tune", "tox21", *QUICK, "--results", str(folder)]
    else:
        (tmp_path / "results" / "tuning").write_text("")
        words = ["tune", task, *QUICK, "--results", str(tmp_path / "results")]
    assert bench.main(words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "results" in said.err or "file" in said.err
    assert said.out == ""


def test_lines_that_are_none_are_named_and_left_out(tmp_path, undisturbed, capsys):
    task = described(tmp_path)
    path = tmp_path / "results" / "tuning" / task / "gin-backprop.jsonl"
    path.parent.mkdir(parents=True)
    good = (undisturbed[0] / "results" / "tuning" / task / "gin-backprop.jsonl").read_text().splitlines()
    forged = json.dumps({**json.loads(good[1]), "mean": 0.99})
    path.write_text("\n".join([good[0], "__import__('os').abort()", forged, *good[1:]]) + "\n")
    assert tune(tmp_path, task, "--trials", "3") == 0
    said = capsys.readouterr().err
    assert "line 2: it is no trial" in said
    assert "line 3: its mean is not that of its scores" in said
    assert len(path.read_text().splitlines()) == 5
