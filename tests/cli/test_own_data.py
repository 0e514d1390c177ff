"""`train` as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from own_tables import lines, with_cell, with_column, write
from pbgraph import bench
from pbgraph.datasets.user.table import describe
from pbgraph.errors import DataError, UsageError
from pbgraph.results.described import dataset_of, keep, user_table, user_table_names
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

COLUMNS = ("--smiles", "SMILES", "--targets", "toxic", "even", "--id", "name")
QUICK = ("--models", "random-forest", "--preset", "smoke", "--jobs", "1")


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def train(folder: Path, *options: object, table: Path | None = None) -> int:
    return call("train", table or write(folder), *COLUMNS, *QUICK, "--results", folder / "results", *options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with my.csv and the results of two arms on it."""
    folder = tmp_path_factory.mktemp("own")
    words = [sys.executable, "-P", "-m", "pbgraph.bench", "train", str(write(folder)), *COLUMNS, "--preset", "smoke"]
    arms = ["--models", "gin", "--results", str(folder / "results"), "--jobs", "1"]
    done = forked.run([*words, *arms], timeout=600, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stderr
    return folder


def results(folder: Path) -> ResultsFolder:
    return ResultsFolder(folder / "results")


def test_the_records_are_like_any_others_and_are_not_made_twice(trained, capsys):
    (name,) = user_table_names(results(trained))
    records = results(trained).records(name)
    assert {str(record.spec.arm) for record in records} == {"gin/backprop", "gin/perforated"}
    assert {record.spec.task for record in records} == {name}
    assert {(record.provenance.rows, record.provenance.data_sha256) for record in records} == {
        (120, user_table(name, results(trained)).sha256)
    }
    here = ("--preset", "smoke", "--models", "gin", "--results", trained / "results")
    again = call("train", trained / "my.csv", *COLUMNS, *here)
    said = capsys.readouterr()
    assert again == 0
    assert "2 finished, 0 failed, 0 to do" in said.err
    assert f"## {name}: test ROC-AUC" in said.out


def test_every_command_knows_the_task_by_its_name(trained, capsys):
    (name,) = user_table_names(results(trained))
    here = ("--results", trained / "results")
    assert call("table", name, "--preset", "smoke", *here) == 0
    assert f"## {name}" in capsys.readouterr().out
    assert call("compare", name, "gin/perforated", "gin/backprop", "--preset", "smoke", *here) == 0
    assert "mean difference" in capsys.readouterr().out
    assert call("data", "audit", name, *here) == 0
    assert "120" in capsys.readouterr().out
    assert call("data", "ls", *here) == 0
    assert f"{name}: 120 rows, 2 tasks" in capsys.readouterr().out
    assert call("data", "fetch", name, *here) == 2
    assert "nothing to fetch" in capsys.readouterr().err
    assert call("table", name[:-1], *here) == 2
    assert f"did you mean '{name}'?" in capsys.readouterr().err
    assert call("table", name, *here) == 0
    assert "preset smoke" in capsys.readouterr().out
    words = f"train {trained / 'my.csv'} --smiles SMILES --targets toxic even --kind classification --id name"
    assert call("table", name, "--preset", "paper", *here) == 2
    assert f"'python -m pbgraph.bench {words} --preset paper --split random' makes them" in capsys.readouterr().err
    assert call("dendrites", name, "gin/perforated", "--seed", 5, *here) == 2
    assert f"'python -m pbgraph.bench {words} --preset smoke --split random --models" in capsys.readouterr().err


def test_a_folder_with_the_table_can_be_moved(trained, tmp_path):
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-r", str(trained), str(moved)], check=True)
    (name,) = user_table_names(results(moved))
    assert Path(user_table(name, results(moved)).path) == moved / "my.csv"


def test_a_description_is_not_to_be_edited(trained, tmp_path):
    subprocess.run(["cp", "-r", str(trained / "results"), str(tmp_path)], check=True)
    (name,) = user_table_names(results(tmp_path))
    path = results(tmp_path).task_path(name)
    path.write_text(path.read_text().replace('"even"', '"odd"'))
    with pytest.raises(DataError, match="was edited or renamed"):
        dataset_of(name, results(tmp_path))
    path.write_text("{}")
    with pytest.raises(DataError, match="does not describe a task"):
        dataset_of(name, results(tmp_path))
    with pytest.raises(UsageError, match="unknown task 'tox12'; did you mean 'tox21'"):
        dataset_of("tox12", results(tmp_path))


def test_a_damaged_description_costs_the_other_tables_a_warning(tmp_path, capsys):
    broken = tmp_path / "results" / "tasks" / "other-00000000.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    words = f"left out: {broken} does not describe a task"
    assert train(tmp_path, "--dry-run") == 0
    assert words in capsys.readouterr().err
    assert call("data", "ls", "--results", tmp_path / "results") == 0
    said = capsys.readouterr()
    assert words in said.err
    assert "or move it away" in said.err
    assert "tox21" in said.out


def test_a_changed_table_is_a_new_task_and_that_is_said(trained, tmp_path, capsys):
    subprocess.run(["cp", "-r", str(trained), str(tmp_path / "copy")], check=True)
    (old,) = user_table_names(results(tmp_path / "copy"))
    table = write(tmp_path / "copy", with_cell(1, "toxic", "1"))
    assert train(tmp_path / "copy", "--dry-run", table=table) == 0
    said = capsys.readouterr()
    assert f"my.csv has changed since it was task {old}: this is a new task" in said.err
    assert "1 to do" in said.out
    assert user_table_names(results(tmp_path / "copy")) == [old]


def test_nothing_is_written_before_a_run(tmp_path, capsys):
    assert train(tmp_path, "--dry-run") == 0
    assert "classification of toxic, even; 120 of 120 rows can be used" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("option", "split"), [("--split-column", "predefined"), ("--time-column", "time")])
def test_a_column_can_give_the_split(option, split, tmp_path, capsys):
    table = lines()
    for row, cells in enumerate(table[1:]):
        cells[4] = f"{1990 + row % 30}" if split == "time" else ["train", "valid", "test"][max(row - 75, 0) // 15]
    assert train(tmp_path, option, "logP", "--dry-run", table=write(tmp_path, table)) == 0
    assert f"split {split}: 1 run," in capsys.readouterr().out
    table[3][4] = "tset"
    for dry in ([], ["--dry-run"]):
        assert train(tmp_path, option, "logP", *dry, table=write(tmp_path, table)) == 3
        assert "row 2 (M2): 'tset'" in capsys.readouterr().err


def test_a_plan_that_cannot_be_run_is_not_written(tmp_path, capsys):
    table, written = lines(), tmp_path / "p.toml"
    for row, cells in enumerate(table[1:]):
        cells[4] = "train" if row < 90 else "valid"
    options = ("--split-column", "logP", "--dry-run", "--write-plan", written)
    assert train(tmp_path, *options, table=write(tmp_path, table)) == 2
    said = capsys.readouterr()
    assert "leaves no molecule for test" in said.err
    assert "written" not in said.out + said.err
    assert not written.exists()
    assert not (tmp_path / "results").exists()


def test_numbers_are_learnt_as_numbers(tmp_path, capsys):
    words = ("--smiles", "SMILES", "--targets", "logP", *QUICK, "--results", tmp_path / "results")
    assert call("train", write(tmp_path), *words) == 0
    said = capsys.readouterr()
    assert "regression of logP" in said.err
    assert "test RMSE" in said.out


@pytest.mark.parametrize(
    ("table", "options", "code", "words"),
    [
        (lines(), ["--smiles", "smile"], 2, "did you mean 'SMILES'?"),
        (lines(), ["--kind", "clasification"], 2, "did you mean 'classification'?"),
        (lines(), ["--split", "scafold"], 2, "did you mean 'scaffold'?"),
        (lines(), ["--results-folder", "x"], 2, "unrecognized arguments"),
        (lines()[:6], [], 2, "leaves no molecule for validation: of 5 molecules 4 for training"),
        (with_column("toxic", ["1"] * 120), [], 3, "all 120 labels of column 'toxic' are 1"),
        (with_cell(9, "toxic", "?"), [], 3, "line 10 ('?')"),
        ([lines()[0]], [], 3, "no rows under it"),
        (lines()[:13], [], 3, "no target has two different labels among them"),
    ],
)
def test_bad_input_has_its_exit_code_and_sentence(table, options, code, words, tmp_path, capsys):
    assert train(tmp_path, *options, table=write(tmp_path, table)) == code
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (tmp_path / "results").exists()


def test_a_plan_file_of_a_table_too_small_for_its_split_is_refused_before_any_run(tmp_path, capsys):
    table = describe(write(tmp_path, lines()[:13]), smiles="SMILES", targets=["toxic"])
    keep(table, results(tmp_path))
    plan = tmp_path / "small.toml"
    plan.write_text(f'task = "{table.name}"\n[[arms]]\nmodel = "knn"\nmethod = "fit"\n')
    assert call("run", plan, "--results", tmp_path / "results") == 3
    said = capsys.readouterr().err
    assert "no target has two different labels among them" in said
    assert "started" not in said
    assert not (tmp_path / "results" / "records").exists()


def test_a_name_that_belongs_to_nothing_is_no_file(tmp_path, capsys):
    assert call("train", tmp_path, *COLUMNS) == 2
    assert "is a folder; name the file in it" in capsys.readouterr().err
    assert call("train", tmp_path / "none.csv", *COLUMNS) == 3
    assert "there is no file" in capsys.readouterr().err


def test_results_on_a_table_of_ones_own_are_verified_and_a_run_comes_out_again_bit_for_bit(trained, tmp_path, capsys):
    (name,) = user_table_names(results(trained))
    assert call("table", name, "--results", results(trained).root) == 0
    (results(trained).root / f"{name}.md").write_text(capsys.readouterr().out)
    receipt = tmp_path / "receipt.json"
    assert call("verify", results(trained).root, "--rerun", 1, "--seed", 1, "--receipt", receipt) == 0, (
        capsys.readouterr()
    )
    said = json.loads(receipt.read_text())
    assert (said["checked"]["models"], said["checked"]["tables and pages"], said["unchecked"]) == (2, 1, [])
    (again,) = said["reruns"]
    assert again["digest"] == again["again"]
    assert again["rule"].startswith("bit for bit")


def test_a_page_is_verified_from_anywhere(trained, tmp_path, monkeypatch):
    own = tmp_path / "own"
    shutil.copytree(trained, own)
    monkeypatch.chdir(own)
    assert call("leaderboard", "--results", "results", "-o", "results/leaderboard.html") == 0
    assert call("verify", "results") == 0
    monkeypatch.chdir("/")
    assert call("verify", own / "results") == 0


def test_results_whose_table_has_changed_are_checked_as_far_as_they_can_be(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "moved")
    assert call("verify", tmp_path / "moved" / "results") == 0
    write(tmp_path / "moved", with_cell(1, "even", "1"))
    assert call("verify", tmp_path / "moved" / "results") == 3
    assert "has changed since task" in capsys.readouterr().err
