"""`dendrites --headroom` as a user meets it, on a small table of one's own."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

import forked
from own_tables import write
from pbgraph import bench
from pbgraph.execution import headroom
from pbgraph.results.described import user_table_names
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

COLUMNS = ("--smiles", "SMILES", "--targets", "toxic", "even", "--id", "name")
SMALL = ("--set", "gin.layers=1", "gin.hidden=8", "training.epochs=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """my.csv and the results of a small network, and of a forest, whose models are saved."""
    folder = tmp_path_factory.mktemp("headroom")
    words = [sys.executable, "-P", "-m", "pbgraph.bench", "train", str(write(folder)), *COLUMNS, "--preset", "smoke"]
    arms = ["--models", "gin", "random-forest", "--methods", "backprop", "fit", *SMALL, "--jobs", "1"]
    done = forked.run([*words, *arms], timeout=600, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def arms(folder: Path) -> dict[str, str]:
    """Method -> arm, and the task's name under "task"."""
    results = ResultsFolder(folder / "results")
    (name,) = user_table_names(results)
    return {"task": name, **{one.spec.method: str(one.spec.arm) for one in results.records(name)}}


def call(folder: Path, arm: str, *options: object) -> int:
    words = ["dendrites", arms(folder)["task"], arm, "--results", folder / "results", "--headroom", *options]
    return bench.main([str(word) for word in words])


def test_it_is_of_the_saved_network_and_of_the_same_one_trained_again(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(headroom, "headroom", partial(headroom.headroom, epochs=2))
    arm = arms(folder)["backprop"]
    assert call(folder, arm, "--format", "json", "--figure", tmp_path / "headroom.svg") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "trained again" not in said.err
    assert (found["arm"], found["folds"], found["batches"]) == (arm, 4, 12)
    assert next(site["neurons"] for site in found["sites"].values()) == 8
    assert (tmp_path / "headroom.svg").stat().st_size > 1000
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "results" / "models")
    assert call(tmp_path / "copy", arm, "--format", "json") == 0
    again = capsys.readouterr()
    assert "its network was not saved, so it is trained again" in again.err
    assert json.loads(again.out) == found
    assert not (tmp_path / "copy" / "results" / "models").exists()


def test_a_model_that_fits_itself_has_none(folder, capsys):
    assert call(folder, arms(folder)["fit"]) == 2
    assert "headroom is of networks, and random-forest fits itself" in capsys.readouterr().err
