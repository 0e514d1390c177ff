"""The commands that look at runs one by one and move them away, as a user meets them."""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from made_records import make_failure, make_record, write_grown
from pbgraph import bench
from pbgraph.cli.arguments import ARGUMENTS, parse
from pbgraph.cli.help_texts import COMMANDS, OF_COMMANDS
from pbgraph.files.locks import exclusive
from pbgraph.plans.plan import Plan, plan
from pbgraph.plans.registering import registration_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.record_file import said_by
from pbgraph.results.registered import register


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


@pytest.fixture
def filled(results) -> ResultsFolder:
    """A run with a dendrite, its control, a variant, a failure, and a run of another preset."""
    grown = write_grown(results, "trimnet/perforated", 68)
    results.write(make_record("trimnet/continued", 68, 0.7, control_of=grown.key))
    results.write(make_record("trimnet/backprop", 68, 0.75, model_config={"hidden": 64}, changes={"hidden": 64}))
    results.write(make_failure("gin/backprop", 69, "ValueError: =1+1\nno"))
    results.write(make_record("gin/backprop", 68, 0.6, preset="smoke", split="scaffold"))
    return results


def keys(results: ResultsFolder) -> dict[str, str]:
    return {f"{one.spec.arm} {one.spec.preset}": one.key for one in results.records("tox21")}


def test_every_command_has_help_with_examples_that_can_be_given(capsys):
    assert set(COMMANDS) == set(ARGUMENTS) == set(OF_COMMANDS)
    for command in [*COMMANDS, "tox21"]:
        with pytest.raises(SystemExit) as end:
            parse([command, "--help"])
        assert end.value.code == 0
        said = capsys.readouterr().out
        examples = re.findall(r"^  python -m pbgraph\.bench (.*)$", said.partition("examples:\n")[2], re.MULTILINE)
        assert examples
        for line in examples:
            assert isinstance(parse(shlex.split(re.split(r" {3,}|  (?=[a-z])", line)[0])), argparse.Namespace)
            assert line.split()[0] == command


def test_status_shows_what_is_to_do_and_what_else_is_there(filled, capsys):
    assert call("status", "tox21", "--results", filled.root, "--models", "gin", "--jobs", 1) == 0
    said = capsys.readouterr().out
    assert "tox21, preset default, split random: 3 runs, 0 done, 3 to do" in said
    assert "to do    gin/backprop seeds 68-70, about 1:48 each" in said
    assert "about 5:24 with 1 worker" in said
    assert "tox21, preset smoke, split scaffold: 1 run, 1 done" in said
    assert "ValueError: =1+1\\nno" in said


def test_status_of_all_tasks_for_programs(filled, capsys):
    spec = replace(make_record("gin/backprop", 1, 0.5).spec, task="gone-0123abcd")
    filled.write(replace(make_record("gin/backprop", 1, 0.5), spec=spec))
    assert call("status", "--results", filled.root, "--json") == 0
    said = capsys.readouterr()
    found = {one["task"]: one for one in json.loads(said.out)}
    assert found.keys() == {"tox21", "gone-0123abcd"}
    assert found["gone-0123abcd"]["plan"] == ""
    assert "no plan is made for task gone-0123abcd" in said.err
    states = [run["state"] for run in found["tox21"]["runs"]]
    assert {state: states.count(state) for state in set(states)} == {"to do": 24, "done": 4, "failed": 1}


def registered(results: ResultsFolder, task: str, name: str, **narrowed) -> tuple[Plan, str]:
    """The plan, and what `status` says of it before how many of its runs are done."""
    declared = plan(task, name, **narrowed)
    made = register(results, registration_of(declared, commit="c", dirty=False))[1]
    return declared, f"{task}, plan {made.name} ({made.declared}), registered {made.when}, split {made.split}"


def test_status_counts_the_runs_of_registered_plans_and_names_what_makes_the_rest(tmp_path, capsys):
    results = ResultsFolder(tmp_path)
    others, said_of_others = registered(results, "bace", "registry-others")
    _, said_of_balanced = registered(results, "bace", "registry-others", split="scaffold-balanced")
    answer, said_of_answer = registered(results, "tox21", "answer")
    assert call("status", "--results", tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    run = "python -m pbgraph.bench run"
    assert said == [
        f"{said_of_others}: 0 of 55 runs done; '{run} registry-others --task bace' does the rest",
        f"{said_of_balanced}: 0 of 55 runs done; '{run} registry-others --task bace --split scaffold-balanced' does "
        "the rest",
        f"{said_of_answer}: 0 of 1,050 runs done; '{run} answer' does the rest",
    ]
    finished, failed = (replace(make_record(one.arm, one.seed, 0.5), spec=one) for one in others.specs[:2])
    results.write(finished)
    results.write(replace(make_failure("gin/backprop", 69, "no"), spec=failed.spec))
    results.write(replace(make_record("trimnet/backprop", 68, 0.5), spec=answer.specs[0]))
    assert call("status", "--results", tmp_path) == 0
    said = capsys.readouterr().out
    assert "preset default" not in said
    assert (
        f"{said_of_others}: 1 of 55 runs done; '{run} registry-others --task bace --retry-failed' does the rest" in said
    )
    assert call("status", "bace", "--results", tmp_path) == 0
    assert "bace, preset default, split scaffold: 24 runs, 0 done" in capsys.readouterr().out
    assert call("status", "--models", "gin", "--results", tmp_path) == 0
    assert "bace, preset default, split scaffold: 3 runs, 0 done" in capsys.readouterr().out


def test_status_names_no_command_that_would_do_other_runs(tmp_path, capsys):
    results = ResultsFolder(tmp_path)
    _, said_of_it = registered(results, "bace", "registry-others", seeds=[80, 81])
    done, said_of_done = registered(results, "bace", "smoke")
    for spec in done.specs:
        results.write(replace(make_record(spec.arm, spec.seed, 0.5), spec=spec))
    assert call("status", "--results", tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"{said_of_it}: 0 of 22 runs done" in said
    assert f"{said_of_done}: {len(done.specs)} of {len(done.specs)} runs done" in said


def test_status_takes_what_a_run_takes(capsys, tmp_path):
    words = ("--set", "gin.hidden=8", "--models", "gin", "--seeds", "1,2", "--split", "scaffold", "--preset", "smoke")
    assert call("status", "tox21", *words, "--results", tmp_path / "none", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert {(run["arm"], run["seed"], run["split"]) for run in found["runs"]} == {
        (f"gin/{method}:hidden=8", seed, "scaffold") for method in ("backprop", "perforated") for seed in (1, 2)
    }
    assert not (tmp_path / "none").exists()


def test_an_empty_folder_has_no_runs(capsys, tmp_path):
    assert call("status", "--results", tmp_path / "none") == 0
    said = capsys.readouterr()
    assert (said.out, "holds no run, and none is in progress" in said.err) == ("", True)
    assert call("status", "--results", tmp_path / "none", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert call("runs", "tox21", "--results", tmp_path) == 0
    said = capsys.readouterr()
    assert (said.out, "'python -m pbgraph.bench tox21' makes them" in said.err) == ("", True)
    assert call("runs", "tox21", "--results", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_runs_lists_and_filters(filled, capsys):
    assert call("runs", "tox21", "--results", filled.root) == 0
    said = capsys.readouterr().out
    assert said.count("\n|") == 6
    assert "trimnet/backprop:hidden=64" in said
    assert "failed: ValueError: =1+1\\nno" in said
    assert call("runs", "tox21", "--results", filled.root, "--models", "gin", "--preset", "smoke", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["arm"], row["split"], row["test"], row["seconds"], row["status"]) == (
        "gin/backprop",
        "scaffold",
        0.6,
        60.0,
        "finished",
    )
    arms = ("--arms", "trimnet/backprop:hidden=64", "trimnet/continued")
    assert call("runs", "tox21", "--results", filled.root, *arms, "--csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["arm"] for row in rows] == ["trimnet/backprop:hidden=64", "trimnet/continued"]
    assert call("runs", "tox21", "--results", filled.root, "--seeds", 1) == 0
    assert "holds no such run of tox21; it holds 5 others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("runs tox12", "did you mean 'tox21'?"),
        ("runs tox21 --models trimnt", "did you mean 'trimnet'?"),
        ("runs tox21 --methods backprob", "did you mean 'backprop'?"),
        ("runs tox21 --split scafold", "did you mean 'scaffold'?"),
        ("runs tox21 --preset smok", "did you mean 'smoke'?"),
        ("runs tox21 --arms trimnet/widened", "(known: gin/backprop, trimnet/backprop:hidden=64, "),
        ("runs tox21 --json --csv", "not allowed with"),
        ("status tox12", "did you mean 'tox21'?"),
        ("status tox21 --models trimnt", "did you mean 'trimnet'?"),
        ("show abc", "expected at least 4 characters"),
        ("show 99999999", "holds no run '99999999'"),
        ("rm 99999999", "holds no run '99999999'"),
        ("rm", "the following arguments are required: KEY"),
        ("export tox21", "say where to, with --csv FILE, --histories FILE or --mlflow DIR"),
        ("export tox12 --csv x.csv", "did you mean 'tox21'?"),
    ],
)
def test_wrong_usage_is_exit_2_with_what_is_near(argv, words, filled, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert call(*argv.split()) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_show_says_all_of_a_run(filled, capsys):
    key = keys(filled)["trimnet/perforated default"]
    assert call("show", key[:8], "--results", filled.root) == 0
    said = capsys.readouterr().out
    assert f"run {key}: finished" in said
    assert "dendrite | outcome" in said
    assert "commit c0ffee000000" in said
    assert "validation ROC-AUC, epochs 0 to 1 (n neuron); selected: epoch 1" in said
    assert call("show", key, "--results", filled.root, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(said_by(filled.record("tox21", key))))


def test_show_marks_what_differs_from_the_recipe(filled, capsys):
    assert call("show", keys(filled)["trimnet/backprop:hidden=64 default"], "--results", filled.root) == 0
    said = capsys.readouterr().out
    assert "  * hidden  64" in said
    assert "    epochs  3" in said
    assert "* otherwise than in the recipe of preset default" in said


def test_a_failed_run_is_shown_with_its_reason_and_a_damaged_one_is_an_error(filled, capsys):
    key = keys(filled)["gin/backprop default"]
    assert call("show", key, "--results", filled.root) == 0
    assert f"run {key}: failed: ValueError: =1+1\\nno" in capsys.readouterr().out
    (path,) = filled.record_files("tox21", key)
    path.write_text("{")
    assert call("show", key, "--results", filled.root) == 3
    assert "is not a run record" in capsys.readouterr().err
    assert call("runs", "tox21", "--results", filled.root, "--csv") == 0
    said = capsys.readouterr()
    assert f"left out: {path}" in said.err
    assert key not in said.out


def test_an_insight_that_is_gone_costs_its_own_part_alone(filled, capsys):
    shutil.rmtree(filled.root / "dendrites")
    assert call("show", keys(filled)["trimnet/perforated default"], "--results", filled.root) == 0
    assert "is not there: copy it from where" in capsys.readouterr().out


def test_a_key_is_looked_for_in_one_folder(filled, capsys, tmp_path):
    key = keys(filled)["trimnet/continued default"]
    other = ResultsFolder(tmp_path / "other")
    other.write(make_record("gin/backprop", 1, 0.5))
    assert call("show", key, "--results", other.root) == 2
    shutil.copytree(filled.root, other.root, dirs_exist_ok=True)
    assert call("rm", key, "--results", other.root) == 0
    assert call("show", key, "--results", filled.root) == 0


def test_rm_refuses_what_others_depend_on_and_says_how_to_put_back(filled, capsys):
    named = keys(filled)
    grown, control = named["trimnet/perforated default"], named["trimnet/continued default"]
    assert call("rm", grown, "--results", filled.root) == 2
    assert f"{control} (trimnet/continued seed 68), paired with {grown}" in capsys.readouterr().err
    assert keys(filled) == named
    assert call("rm", grown, "--with-dependents", "--results", filled.root) == 0
    said = capsys.readouterr()
    assert f"with it: {control}" in said.err
    assert said.out.startswith("2 runs moved to ")
    assert not {grown, control} & set(keys(filled).values())
    command = re.search(r"to put back what is there: (.*)", said.out)[1]
    subprocess.run(command, shell=True, check=True, timeout=600)
    assert keys(filled) == named


def test_rm_of_a_run_and_its_control_needs_no_more(filled, capsys):
    named = keys(filled)
    both = [named["trimnet/perforated default"], named["trimnet/continued default"]]
    assert call("rm", *both, "--results", filled.root) == 0
    assert len(keys(filled)) == 3


def test_rm_of_several_is_none_where_one_is_unknown_or_running(filled, capsys, monkeypatch):
    named = keys(filled)
    one = named["trimnet/continued default"]
    assert call("rm", one, "99999999", "--results", filled.root) == 2
    monkeypatch.setattr("pbgraph.files.locks.LOOK", 0.0)
    os.makedirs(filled.root / ".work")
    with exclusive(filled.root / ".work" / f"{one}.lock"):
        assert call("rm", one, named["gin/backprop default"], "--results", filled.root) == 2
    assert "is running; stop it first" in capsys.readouterr().err
    assert keys(filled) == named


def test_nothing_to_be_exported_leaves_what_was_exported_before(filled, tmp_path, capsys):
    (tmp_path / "runs.csv").write_text("mine")
    choice = ("--models", "gcn", "--results", filled.root, "--csv", tmp_path / "runs.csv")
    assert call("export", "tox21", *choice) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert (tmp_path / "runs.csv").read_text() == "mine"


def test_export_has_a_row_for_each_run_and_each_epoch(filled, tmp_path, capsys):
    runs, epochs = tmp_path / "runs.csv", tmp_path / "epochs.csv"
    assert call("export", "tox21", "--results", filled.root, "--csv", runs, "--histories", epochs) == 0
    rows = {row["key"]: row for row in csv.DictReader(runs.open())}
    assert rows.keys() == set(keys(filled).values())
    row = rows[keys(filled)["trimnet/backprop:hidden=64 default"]]
    assert (row["test_roc_auc"], row["valid_roc_auc"], row["config.hidden"], row["settings.epochs"]) == (
        "0.75",
        "0.8",
        "64",
        "3",
    )
    failed = rows[keys(filled)["gin/backprop default"]]
    assert (failed["status"], failed["test_roc_auc"], failed["seconds"]) == ("failed", "", "")
    lines = list(csv.DictReader(epochs.open()))
    assert len(lines) == 8
    assert (lines[1]["epoch"], lines[1]["valid"], lines[1]["phase"]) == ("1", "0.71", "neuron")
    assert call("export", "tox21", "--results", filled.root, "--csv", tmp_path) == 2


def test_a_whole_folder_is_steered_by_real_runs(toy_here, tmp_path):
    run = ("toy", "--preset", "smoke", "--methods", "backprop", "--jobs", 1)
    assert toy_here(*run).returncode == 0
    assert [path.name for path in Path("results/.work").iterdir()] == ["first"]  # what other arms would begin with
    status = json.loads(toy_here("status", "--preset", "smoke", "--json").stdout)
    assert [(one["state"], one["arm"]) for one in status[0]["runs"]] == [
        ("done", "trimnet/backprop"),
        ("to do", "trimnet/perforated"),
    ]
    key = status[0]["runs"][0]["key"]
    assert "| all" in toy_here("show", key[:4]).stdout
    moved = toy_here("rm", key[:6])
    assert f"records/toy/{key}.json" in moved.stdout
    assert f"predictions/toy/{key}.parquet" in moved.stdout
    assert "0 finished, 0 failed, 1 to do" in toy_here(*run, "--dry-run").stdout
