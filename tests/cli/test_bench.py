"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from made_records import make_record
from pbgraph import bench, registry, testing
from pbgraph.datasets.base import DATASETS
from pbgraph.errors import UsageError
from pbgraph.ops.kernels import definitions_only
from pbgraph.results import folder
from pbgraph.results.folder import ResultsFolder

ARM = "trimnet/backprop"


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("tox12", "unknown task or command 'tox12'; did you mean 'tox21'?"),
        ("tox21 --models trimnt --dry-run", "did you mean 'trimnet'?"),
        ("tox21 --methods perforatd --dry-run", "did you mean 'perforated'?"),
        ("tox21 --split scafold --dry-run", "did you mean 'scaffold'?"),
        ("tox21 --preset papr", "did you mean 'paper'?"),
        ("tox21 --engine lokal", "did you mean 'local'?"),
        ("tox21 --seeds 5-3", "seeds 5-3 run backwards; did you mean 3-5?"),
        ("tox21 --seeds five", "seed 'five' is neither a number nor a range"),
        ("tox21 --jobs 0", "--jobs 0: expected the number of worker processes, at least 1"),
        ("tox21 --jobs two", "--jobs two"),
        ("tox21 --jobs \u0663", "--jobs \u0663: expected the number of worker processes"),
        (f"tox21 --jobs {'9' * 5000}", "9: expected the number of worker processes, at least 1"),
        (f"tox21 --seeds {'9' * 5000}", "is neither a number nor a range"),
        (f"tox21 --shard 1/{'9' * 5000}", "is not i/n with 1 <= i <= n"),
        (f"verify --rerun {'9' * 5000}", "9: expected how many runs are to be done again"),
        ("tox21 --shard 9/8 --engine shard", "shard '9/8'"),
        ("tox21 --engine shard --dry-run", "SLURM_ARRAY_TASK_ID"),
        ("tox21 --epochs 3", "unrecognized arguments: --epochs 3"),
        ("ls modles", "did you mean 'models'?"),
        ("table tox12", "did you mean 'tox21'?"),
        ("table tox21 --models trimnt", "unknown model 'trimnt'; did you mean 'trimnet'?"),
        ("table tox21 --methods perforatd", "did you mean 'perforated'?"),
        ("table tox21 --split scafold", "did you mean 'scaffold'?"),
        ("tox21 --preset smoke --study compression --dry-run", "argument --study: not allowed with argument --preset"),
        ("table tox21 --study compression --preset smoke", "argument --preset: not allowed with argument --study"),
        ("tox21 --seeds 99999999999999999999", "expected numbers below 2^63"),
        ("tox21 --seeds 1-9999999999", "10000 of them at the most"),
        ("table tox21 --format html4", "unknown format 'html4'"),
        ("data fetsch tox21", "did you mean 'fetch'?"),
        ("data audit", "say of which task"),
        ("train a.csv --smiles S --targets --x", "begins with dashes is written --targets=VALUE"),
        ("table tox21 --results", "is written --results=VALUE"),
        ("table my-1a2b3c4d --results nowhere", "; nowhere/tasks/my-1a2b3c4d.json would describe it: see --results"),
        ("", "say what to do"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_nearest_valid_name(argv, words, capsys):
    assert call(*argv.split()) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


def test_an_error_has_one_line_whatever_is_in_its_names(capsys, tmp_path):
    assert call("train", tmp_path / "a\nb.csv", "--smiles", "S", "--targets", "y") == 2
    assert call("predict", tmp_path / "m\x1b[2J\n", "a.csv") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "a\\nb.csv" in said[0]
    assert "m\\x1b[2J\\n" in said[1]


def test_a_missing_gpu_is_wrong_usage(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert call("tox21", "--device", "cuda", "--results", tmp_path) == 2
    assert "--device cuda" in capsys.readouterr().err


def test_data_not_to_be_had_is_exit_3_with_three_ways(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PBGRAPH_DATA", raising=False)
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    assert call("tox21", "--offline") == 3
    said = capsys.readouterr().err
    ways = (
        "(1) --data DIR",
        "(2) PBGRAPH_DATA=DIR",
        "(3) with network access, 'python -m pbgraph.bench data fetch tox21'",
    )
    assert all(way in said for way in ways)
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_wrong_content_under_the_right_name_is_exit_3_with_both_hashes(capsys, tmp_path):
    (tmp_path / "tox21.csv").write_text("smiles,mol_id\nCCO,A\n")
    assert call("tox21", "--data", tmp_path, "--results", tmp_path / "results") == 3
    said = capsys.readouterr().err
    assert "7d7e7facd853a63e" in said
    assert "sha256 of the CSV is" in said


def test_a_results_folder_that_is_a_file_is_refused_before_any_training(capsys, shared, tmp_path):
    (tmp_path / "file").touch()
    assert call("tox21", "--data", shared / "data", "--results", tmp_path / "file") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_plan_can_be_looked_at(capsys, tmp_path):
    assert call("tox21", "--dry-run", "--jobs", "2", "--results", tmp_path / "none") == 0
    said = capsys.readouterr().out
    assert "24 runs, 0 finished, 0 failed, 24 to do" in said
    assert "with 2 workers" in said
    assert not (tmp_path / "none").exists()


def test_what_does_not_go_together_is_said(capsys, tmp_path):
    assert call("tox21", "--dry-run", "--models", "random-forest", "gin", "--results", tmp_path) == 0
    assert "not run: " not in capsys.readouterr().out
    asked = ("--models", "random-forest", "gin", "--methods", "backprop")
    assert call("tox21", "--dry-run", *asked, "--results", tmp_path) == 0
    assert "not run: random-forest/backprop: it fits itself; use method 'fit'" in capsys.readouterr().out


def test_ls_names_everything_with_version_and_source(capsys):
    assert call("ls") == 0
    said = capsys.readouterr().out
    assert all(kind in said for kind in ("tasks", "models", "methods", "splits", "metrics"))
    assert "trimnet              v2   graph, 109,464 parameters; doi:10.1093/bib/bbaa266" in said
    assert "random-forest        v1   ecfp4-descriptors; doi:" in said
    assert call("ls", "methods", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"backprop", "perforated", "continued"} <= {entry["name"] for entry in listed["methods"]}


def test_ls_says_when_operations_are_slow(capsys):
    with definitions_only():
        assert call("ls", "metrics") == 0
    assert "operations run slowly, in plain PyTorch: switched off by PBGRAPH_FUSED=0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("gin", testing.ARCHITECTURE_CHECKS),
        ("ridge", testing.ESTIMATOR_CHECKS),
        ("ecfp4", testing.FEATURISER_CHECKS),
    ],
)
def test_whatever_is_registered_is_put_through_its_checks(name, table, capsys):
    assert call("check", name) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in said] == [["ok", check] for check in table]


def test_a_failed_check_is_shown_with_its_reason(capsys, monkeypatch):
    def never(_):
        raise testing.CheckFailed("it cannot be")

    monkeypatch.setitem(testing.FEATURISER_CHECKS, "shapes", never)
    assert call("check", "ecfp4") == 1
    assert "FAILED  shapes               it cannot be" in capsys.readouterr().out


def test_the_public_facts_of_tox21(capsys, shared):
    assert call("data", "ls", "--data", shared / "data") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == DATASETS.names()
    assert any(line.startswith("tox21            7831 rows  12 tasks  tox21.csv at") for line in listed)
    assert any(line.startswith("toxcast          8576 rows 617 tasks  toxcast_data.csv") for line in listed)
    assert call("data", "fetch", "tox21", "--data", shared / "data", "--offline") == 0
    assert "verified, sha256 7d7e7facd853" in capsys.readouterr().out
    assert call("data", "audit", "tox21", "--data", shared / "data") == 0
    said = capsys.readouterr().out
    assert "7,823 of 7,831" in said
    assert "TOX31563" in said
    assert "| random, seed 68 " in said
    assert "52 of 783" in said
    assert "| predefined " in said


@pytest.fixture
def results(tmp_path) -> Path:
    folder = ResultsFolder(tmp_path / "results")
    for seed, plain, grown in [(68, 0.80, 0.85), (69, 0.82, 0.83), (70, 0.84, 0.88)]:
        folder.write(make_record(ARM, seed, plain))
        folder.write(make_record("trimnet/perforated", seed, grown))
    folder.write(make_record(ARM, 71, 0.9))
    return folder.root


def test_a_table_is_made_from_records_alone(capsys, results, tmp_path):
    assert call("table", "tox21", "--results", results, "--figure", tmp_path / "curves.png") == 0
    said = capsys.readouterr()
    assert "0.8200 ± 0.0200" in said.out
    assert "missing: gin/backprop seeds 68-70" in said.out
    assert "runs of seeds 71 are not shown" in said.err
    assert (tmp_path / "curves.png").exists()
    assert (
        call("table", "tox21", "--results", results, "--seeds", "68-71", "--models", "trimnet", "--format", "json") == 0
    )
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["missing"] for row in rows] == [[], [71], [68, 69, 70, 71], [68, 69, 70, 71]]
    assert [row["label"] for row in rows] == [*["trimnet"] * 3, "trimnet · graphs alone"]


def test_an_arm_that_the_preset_lacks_is_shown_once_it_has_runs(capsys, results):
    ResultsFolder(results).write(make_record("gin/perforated", 68, 0.8))
    assert call("table", "tox21", "--results", results, "--format", "csv") == 0
    assert "gin,perforated,,1,2,0" in capsys.readouterr().out


def test_a_table_of_nothing_says_what_to_do(capsys, tmp_path):
    assert call("table", "tox21", "--results", tmp_path) == 2
    assert "python -m pbgraph.bench tox21 --preset default --split random" in capsys.readouterr().err


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """Results of two arms on another split and other seeds than the usual ones."""
    folder = ResultsFolder(tmp_path / "results")
    for seed in (1, 2, 3):
        for arm in ("gin/perforated", "gin/backprop"):
            folder.write(make_record(arm, seed, 0.8 + 0.01 * seed, split="scaffold-balanced"))
    return folder.root


def test_the_only_runs_there_are_need_no_preset_split_or_seeds(capsys, elsewhere):
    assert call("table", "tox21", "--results", elsewhere, "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["gin,backprop,,3,0,0" in lines[1], "gin,perforated,,3,0,0" in lines[2], len(lines)] == [True, True, 3]
    assert call("compare", "tox21", "gin/perforated", "gin/backprop", "--results", elsewhere) == 0
    assert "|    3 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--split", "random"], "with preset default and split random, but those of preset default, split scaffold-"),
        (["--preset", "paper"], "with preset paper and split random, but those of preset default, split scaffold-bal"),
        (["--seeds", "68"], "with seeds 68; finished here: arm gin/backprop, seeds 1-3; arm gin/perforated, seeds 1-3"),
        (["--models", "trimnet"], "no finished run of any arm with seeds 1-3; finished here: arm gin/backprop, seeds"),
    ],
)
def test_what_was_not_run_is_told_from_what_was(argv, words, capsys, elsewhere):
    assert call("table", "tox21", "--results", elsewhere, *argv) == 2
    assert words in capsys.readouterr().err


def test_of_several_presets_and_splits_one_is_to_be_chosen(capsys, elsewhere):
    ResultsFolder(elsewhere).write(make_record("gin/backprop", 68, 0.7, split="scaffold", preset="smoke"))
    assert call("table", "tox21", "--results", elsewhere) == 2
    said = capsys.readouterr().err
    assert "preset default, split scaffold-balanced, seeds 1-3; preset smoke, split scaffold, seeds 68; choose" in said
    assert call("table", "tox21", "--results", elsewhere, "--preset", "smoke") == 0
    assert "split scaffold v1" in capsys.readouterr().out


@pytest.mark.parametrize("before", range(4))
def test_two_arms_are_compared_wherever_options_stand(before, capsys, elsewhere):
    words, options = ["tox21", "gin/perforated", "gin/backprop"], ("--seeds", "1-3")
    argv = [*words[:before], *options, "--results", elsewhere, *words[before:]]
    assert call("compare", *argv) == 0
    assert "| seed | gin/perforated | gin/backprop | difference |" in capsys.readouterr().out


def test_a_seed_that_arms_do_not_share_is_told_with_those_they_have(capsys, results):
    assert call("compare", "tox21", "trimnet/perforated", ARM, "--seeds", 71, "--results", results) == 2
    said = capsys.readouterr().err
    assert "(finished seeds of trimnet/perforated: 68-70; trimnet/backprop: 68-71)" in said


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A copy of the project's own records, of which no run may be missing."""

    def refuse(*_, **__):
        raise AssertionError("runs of results/ are missing: a test would train them")

    monkeypatch.setattr("pbgraph.execution.benchmark.run_all", refuse)
    shutil.copytree(Path(__file__).parents[2] / "results" / "records", tmp_path / "published" / "records")
    return tmp_path / "published"


@pytest.mark.parametrize("command", [["table", "tox21"], ["tox21", "--jobs", "1"]], ids=["table", "run"])
def test_a_study_can_be_narrowed(command, capsys, published):
    assert call(*command, "--study", "compression", "--methods", "backprop", "--results", published) == 0
    said = capsys.readouterr().out
    assert said.count("| trimnet | backprop |") == 5
    assert "perforated" not in said
    assert "missing" not in said


def test_a_finished_plan_reads_every_record_once(capsys, published, monkeypatch):
    read, paths = folder.read_record, []
    monkeypatch.setattr(folder, "read_record", lambda path: paths.append(path.name) or read(path))
    assert call("tox21", "--jobs", "1", "--results", published) == 0
    assert any(
        line.startswith("| trimnet ") and "| perforated |" in line for line in capsys.readouterr().out.splitlines()
    )
    assert sorted(paths) == sorted(path.name for path in (published / "records" / "tox21").iterdir())


def test_an_edited_record_is_left_out_and_named(capsys, results):
    path = next((results / "records" / "tox21").iterdir())
    path.write_text(path.read_text().replace('"hidden":32', '"hidden":64'))
    assert call("table", "tox21", "--results", results) == 0
    assert f"left out: {path} was edited or renamed" in capsys.readouterr().err


def test_two_arms_are_compared_seed_by_seed(capsys, results):
    assert call("compare", "tox21", "trimnet/perforated", ARM, "--results", results) == 0
    said = capsys.readouterr()
    assert "+0.0333" in said.out
    assert "not distinguishable" in said.out
    assert "no bootstrap interval" in said.err
    assert call("compare", "tox21", "trimnet/perforatd", ARM, "--results", results) == 2
    assert "did you mean 'trimnet/perforated'?" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_whole_benchmark_of_a_third_partys_data(toy_here, tmp_path):
    first = toy_here("toy", "--preset", "smoke", "--jobs", 2)
    assert first.returncode == 0, first.stderr
    assert "2 runs, 0 finished, 0 failed, 2 to do" in first.stderr
    assert first.stdout.startswith("## toy: test ROC-AUC")
    assert "trimnet | perforated" in first.stdout
    again = toy_here("toy", "--preset", "smoke")
    assert again.stdout == first.stdout
    assert "2 finished, 0 failed, 0 to do" in again.stderr
    compared = toy_here("compare", "toy", "trimnet/perforated", ARM, "--preset", "smoke")
    assert compared.returncode == 0, compared.stderr
    assert "95 % interval, bootstrap   [" in compared.stdout
    damaged = next((tmp_path / "results" / "predictions").rglob("*.parquet"))
    damaged.write_bytes(b"edited")
    assert toy_here("compare", "toy", "trimnet/perforated", ARM, "--preset", "smoke").returncode == 3


def test_a_task_that_is_called_like_a_command_is_left_out(monkeypatch, capsys):
    usual = registry.entry_points

    def entry_points(group: str) -> list[EntryPoint]:
        mine = EntryPoint("check", "rival:CHECK", group)
        vars(mine).update(dist=SimpleNamespace(name="rival"))
        return [*usual(group=group), *([mine] if group == "pbgraph.datasets" else [])]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert call("ls", "splits") == 0
    said = capsys.readouterr()
    assert "left out: task 'check' of package rival has the name of a command" in said.err
    assert call("check", "rmse") == 0


def test_a_failed_run_is_exit_1_and_a_record(toy_here, tmp_path):
    run = ("toy-hopeless", "--preset", "smoke", "--methods", "backprop", "--jobs", 1)
    first = toy_here(*run)
    assert first.returncode == 1
    assert "FAILED: PbgraphError: none of the 1 tasks has both classes among the 24 validation rows" in first.stderr
    assert first.stdout == ""
    again = toy_here(*run)
    assert again.returncode == 1
    assert "1 failed, 0 to do" in again.stderr
    assert "--retry-failed tries the failed runs again" in again.stderr
    assert "1 to do" in toy_here(*run, "--retry-failed").stderr


def test_a_plug_in_that_raises_costs_its_own_runs_alone(toy_here, tmp_path):
    done = toy_here(*["toy", "--preset", "smoke", "--methods", "backprop", "--jobs", "1", "--split", "broken"])
    assert done.returncode == 1
    assert "FAILED: ValueError: cannot split 240" in done.stderr
    assert "its record says nothing of the data" in done.stderr
    assert "1 of 1 runs done" in done.stderr
    assert len(list((tmp_path / "results" / "records" / "toy").glob("*.failed-1.json"))) == 1


@pytest.mark.parametrize("what", ["preset default", "study compression"])
def test_a_shard_shows_no_table_of_its_part_alone(what, capsys, published):
    assert call("tox21", *f"--{what}".split(), "--shard", "2/2", "--results", published) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert f"part 2/2: 'python -m pbgraph.bench table tox21 --{what} --split random' shows" in said.err


def test_shards_make_the_records_of_the_whole(toy_here, tmp_path):
    options = ("toy", "--preset", "smoke", "--methods", "backprop", "--seeds", "1-3", "--engine", "shard", "--jobs", 1)
    for part in ("1/2", "2/2"):
        assert toy_here(*options, "--shard", part).returncode == 0
    whole = toy_here("toy", "--preset", "smoke", "--methods", "backprop", "--seeds", "1-3", "--dry-run")
    assert "3 finished, 0 failed, 0 to do" in whole.stdout
    array = {
        f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(("ID", "MIN", "MAX", "COUNT"), "5452", strict=True)
    }
    mine = toy_here(*options, "--dry-run", **array)
    assert "1 run, 1 finished" in mine.stdout
    gaps = toy_here(*options, "--dry-run", **{**array, "SLURM_ARRAY_TASK_MAX": "6"})
    assert (gaps.returncode, "leave gaps" in gaps.stderr) == (2, True)


def test_ctrl_c_is_exit_130_and_nothing_is_lost(toy, tmp_path):
    words = toy.words("toy", "--preset", "paper", "--seeds", 1, "--models", "trimnet")
    group = {"cwd": tmp_path, "start_new_session": True}
    process = subprocess.Popen(words, env=toy.env, stderr=subprocess.PIPE, text=True, **group)
    for line in process.stderr:
        if "neuron, epoch" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(600) == 130, said
    assert "the same command goes on from here" in said
    assert len(list((tmp_path / "results" / ".work").glob("*.safetensors"))) >= 1
    assert not [path for path in (tmp_path / "results").rglob("*") if ".part" in path.name]


@pytest.mark.lengthy
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_error(results, unbuffered):
    words = [sys.executable, "-P", "-m", "pbgraph.bench", "table", "tox21", "--results", str(results)]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    # a reader that leaves before the first word: a table that is shorter than a pipe's buffer would not notice another
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(words, env=env, stdout=write, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    finally:
        os.close(write)
    assert done.returncode == 0, done.stderr
    assert "pipe" not in done.stderr.lower()


CLOSED = """
import os, sys
for number in map(int, sys.argv[1].split()):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "pbgraph.bench", *sys.argv[2:]])
"""


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("closed", "words", "said"),
    [("0 2", "ls models", "trimnet"), ("1", "data ls", "tox21"), ("0 1 2", "data ls", "tox21")],
)
def test_streams_that_the_caller_closed_are_no_failure(closed, words, said):
    command = [sys.executable, "-c", CLOSED, closed, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0
    assert (said in done.stdout) == ("1" not in closed)
    assert "Traceback" not in done.stderr
    assert ("stdout is closed" in done.stderr) == (closed == "1")


@pytest.mark.lengthy
def test_a_full_disk_behind_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "pbgraph.bench", "data", "ls"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=600)
    said = "pbgraph: No space left on device; put that right, and give the same command again\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    "words",
    [
        "leaderboard -o",
        "table tox21 --figure",
        "dendrites tox21 trimnet/perforated --figure",
        "tox21 --write-plan",
        "run default --write-plan",
        "train table.csv --smiles S --targets y --write-plan",
        "tune tox21 --models gin --write-plan",
        "tune tox21 --found --write-plan",
        "export tox21 --csv",
        "export tox21 --histories",
        "verify --receipt",
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refusals = {
        tmp_path: "is a folder; name the file to be written",
        tmp_path / "file" / "x": "cannot be written (Not a directory); name another file",
        tmp_path / "none" / ("x" * 300): "cannot be written (File name too long); name another file",
    }
    for path, said in refusals.items():
        assert call(*words.split(), path) == 2
        assert capsys.readouterr().err == f"pbgraph: {path} {said}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_one_file_is_not_written_twice(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("export", "tox21", "--csv", "a.csv", "--histories", tmp_path / "a.csv") == 2
    assert "--csv and --histories name one file" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["tox21 --dry-run", "tune tox21 --models gin"])
def test_a_field_that_is_set_to_two_values_is_wrong_usage(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*words.split(), "--set", "gin.hidden=64", "training.epochs=2", "--set", "gin.hidden=32") == 2
    said = "gin.hidden=64 and gin.hidden=32: one field cannot have both values; leave one out"
    assert said in capsys.readouterr().err


def test_ctrl_c_that_an_import_makes_another_error_of_is_still_one(monkeypatch, capsys):
    def interrupted(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise UsageError("model 'x' cannot be imported") from error

    monkeypatch.setattr(bench, "_run", interrupted)
    assert bench.main(["ls"]) == 130
    assert "Traceback" not in capsys.readouterr().err
