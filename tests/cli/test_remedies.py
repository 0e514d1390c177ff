"""What an error or a warning says to do can be done."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import pbgraph
from own_tables import lines, with_column, write
from pbgraph import bench
from pbgraph.cli import arguments
from pbgraph.cli.arguments import parse
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError
from pbgraph.results.described import keep
from pbgraph.results.folder import ResultsFolder

QUICK = ("--models", "random-forest", "--preset", "smoke")


def call(*argv: object) -> int:
    return bench.main([str(word) for word in argv])


def done(command: str, *more: object) -> int:
    """Exit code of a command that was printed, with some words more."""
    assert command.startswith("python -m pbgraph.bench ")
    return call(*shlex.split(command)[3:], *more)


def odd_table(folder: Path) -> Path:
    """Columns, cells and a file whose names begin or look like options, or have quotes and blanks in them."""
    table = lines()
    table[0] = ["-smiles", "-toxic", "even number's", "--id", "-logS"]
    table[5][2] = "-1"
    return write(folder, table, name="-my table.csv")


TARGETS = ("-toxic", "even number's")
OPTIONS = ("--smiles", "-smiles", "--targets", *TARGETS, "--id=--id", "--missing", "-1")


def test_columns_that_look_like_options_can_be_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd_table(tmp_path)
    assert call("train", "./-my table.csv", *OPTIONS, *QUICK, "--dry-run") == 0
    assert "classification of -toxic, even number's; 120 of 120 rows can be used" in capsys.readouterr().err
    assert call("train", "./-my table.csv", "--smiles", "-smiles", "--targets", "-logS", *QUICK, "--dry-run") == 0
    assert "regression of -logS;" in capsys.readouterr().err


def test_what_table_says_makes_the_missing_runs_does_make_them(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd_table(tmp_path)
    task = describe(Path("-my table.csv"), smiles="-smiles", targets=TARGETS, id="--id", missing=["-1"])
    keep(task, ResultsFolder(Path("results")))
    assert call("table", task.name, "--preset", "smoke") == 2
    said = capsys.readouterr().err
    remedy = re.search(r"; '(python -m pbgraph\.bench train .*)' makes them", said)[1]
    assert done(remedy, "--dry-run") == 0
    said = capsys.readouterr()
    assert f"task {task.name}, classification of" in said.err
    assert "0 finished, 0 failed" in said.out


@pytest.mark.parametrize("change", ["version", "path"])
def test_a_task_that_cannot_be_read_says_what_to_run(change, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    odd_table(tmp_path)
    task = describe(Path("-my table.csv"), smiles="-smiles", targets=TARGETS, id="--id", missing=["-1"])
    old = replace(task, version=1) if change == "version" else replace(task, path="gone.csv")
    with pytest.raises(DataError) as caught:
        to_dataset(old).load(None)
    (command,) = re.findall(r"'(python -m pbgraph\.bench train .*?--missing=-1 --id=--id)'", str(caught.value))
    assert done(command.replace(" PATH ", " './-my table.csv' "), *QUICK, "--dry-run") == 0
    assert f"task {task.name}," in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--missing -1", "--kind classification"])
def test_the_options_that_a_warning_names_settle_it(option, tmp_path, capsys):
    cells = ["-1" if row % 3 else "1" for row in range(120)]
    other = {"--missing -1": [*cells[:60], *["0", "1"] * 30], "--kind classification": cells}[option]
    path = write(tmp_path, with_column("toxic", other))
    words = ("train", path, "--smiles", "SMILES", "--targets", "toxic", *QUICK, "--dry-run")
    assert call(*words) == 0
    said = capsys.readouterr().err
    assert option in said
    assert "regression of toxic" in said
    assert call(*words, *option.split()) == 0
    assert "classification of toxic" in capsys.readouterr().err


def test_the_third_way_to_data_is_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PBGRAPH_DATA", raising=False)
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    for words in (("esol", "--offline"), ("check", "task:esol"), ("data", "audit", "esol", "--offline")):
        assert call(*words) in (1, 3)
        said = capsys.readouterr()
        (command,) = set(re.findall(r"'(python -m pbgraph\.bench data fetch esol)'", said.err + said.out))
        assert parse(shlex.split(command)[3:]).task == "esol"
        assert "--offline" not in said.err + said.out


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for each in action.choices.values() for option in options_of(each.complete())}
    return found


def test_every_option_that_a_message_names_exists():
    """But for those of git and sbatch, which are not said to anybody, and of commands of MLflow, Ray and chemprop."""
    known = options_of(arguments._parser(["tox21"]))
    named = {}
    for path in Path(pbgraph.__file__).parent.rglob("*.py"):
        for option in re.findall(r"(?<![\w`-])--[a-z][a-z-]+", path.read_text()):
            named.setdefault(option, path.name)
    of_git = {
        "--diff-filter",
        "--format",
        "--is-ancestor",
        "--name-only",
        "--name-status",
        "--numstat",
        "--no-renames",
        "--porcelain",
        "--relative",
    }
    of_others = {*of_git, "--array", "--backend-store-uri", "--head", "--splits-file"}
    assert {option: where for option, where in named.items() if option not in known | of_others} == {}


@pytest.mark.parametrize("kind", ["tasks", "models", "methods", "splits", "metrics", "featurisers"])
def test_every_kind_can_be_listed(kind, capsys):
    assert call("ls", kind) == 0
    assert capsys.readouterr().out.startswith(f"{kind}\n  ")
