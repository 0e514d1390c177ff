"""`pack`: what is checked, written as one archive, and merged elsewhere as it was."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from committed_runs import COMMITTED, call
from pbgraph.cli.arguments import parse
from pbgraph.plans.plan import plan
from pbgraph.plans.plan_file import read_plan
from pbgraph.results import record_file
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy

ROOT = Path(__file__).parents[2]
BESIDE = ("receipt.json", "packages.txt")


@pytest.fixture
def copy(tmp_path) -> ResultsFolder:
    """The committed runs of the plain models of the default preset, without tables."""
    committed, mine = ResultsFolder(COMMITTED), ResultsFolder(tmp_path / "results")
    records = (one for one in committed.records("tox21") if one.spec.preset == "default")
    for record in (one for one in records if str(one.spec.arm) in ("random-forest/fit", "gin/backprop")):
        mine.write(record)
        mine.predictions_path(record.spec).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(committed.predictions_path(record.spec), mine.predictions_path(record.spec))
    return mine


@pytest.fixture
def packed(copy, shared, tmp_path) -> Path:
    path = tmp_path / "mine.zip"
    assert call("pack", copy.root, "-o", path, "--data", shared / "data", "--offline") == 0
    return path


def runs_of(results: ResultsFolder) -> dict[str, bytes]:
    """The files of runs below a results folder."""
    kinds = ("records", "predictions", "dendrites")
    files = (path for kind in kinds for path in (results.root / kind).rglob("*") if path.is_file())
    return {str(path.relative_to(results.root)): path.read_bytes() for path in files}


def test_what_is_packed_is_merged_as_it_was(copy, packed, tmp_path):
    other = ResultsFolder(tmp_path / "other")
    assert call("merge", packed, "--results", other.root) == 0
    assert runs_of(other) == runs_of(copy)
    assert other.records("tox21") == copy.records("tox21")


def test_no_record_is_verified_twice(copy, shared, tmp_path, monkeypatch):
    read = Counter()
    before = record_file.read_bytes

    def counted(path, most):
        read[path] += 1
        return before(path, most)

    monkeypatch.setattr(record_file, "read_bytes", counted)
    assert call("pack", copy.root, "-o", tmp_path / "mine.zip", "--data", shared / "data", "--offline") == 0
    assert len(read) == 6
    assert set(read.values()) == {1}


def test_the_receipt_the_packages_and_the_plans_are_beside_the_runs(copy, packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if "/tox21/" not in name}
    receipt = json.loads(texts["receipt.json"])
    assert receipt["wrong"] == []
    assert receipt["checked"]["finished"] == len(copy.records("tox21"))
    assert re.search(r"^torch==\d", texts["packages.txt"], re.MULTILINE)
    (name,) = (name for name in texts if name.startswith("plans/"))
    (tmp_path / "again.toml").write_text(texts[name])
    planned = {spec.key for spec in plan("tox21", read_plan(tmp_path / "again.toml")).specs}
    assert {record.key for record in copy.records("tox21")} <= planned


def test_the_same_folder_gives_the_same_archive_but_for_the_time_of_the_receipt(copy, packed, shared, tmp_path):
    again = tmp_path / "again.zip"
    assert call("pack", copy.root, "-o", again, "--data", shared / "data", "--offline") == 0
    with zipfile.ZipFile(packed) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
        assert all(one.read(name) == other.read(name) for name in one.namelist() if name != "receipt.json")
        assert {(info.date_time, info.external_attr) for info in one.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o100644 << 16)
        }


def test_what_is_wrong_is_not_packed(copy, shared, tmp_path, capsys):
    record = copy.records("tox21")[0]
    copy.predictions_path(record.spec).unlink()
    path = tmp_path / "mine.zip"
    assert call("pack", copy.root, "-o", path, "--data", shared / "data", "--offline") == 1
    assert f"{copy.predictions_path(record.spec)} is not there" in capsys.readouterr().out
    assert not path.exists()


def test_the_archive_is_not_put_among_the_results(copy, capsys):
    assert call("pack", copy.root, "-o", copy.root / "mine.zip") == 2
    assert "which holds runs, tables and pages alone" in capsys.readouterr().err


def test_the_workflow_of_submissions_calls_what_there_is():
    """Its command is parsed, its target is one of the Makefile, and what it compares are folders of results."""
    text = (ROOT / ".github/workflows/submission.yml").read_text()
    (command,) = re.findall(r"-m pbgraph\.bench (.*?) \|\|", text)
    assert parse(shlex.split(command)).folder == Path("results")
    assert "make .venv/.complete" in text
    assert "STAMP  := $(VENV)/.complete" in (ROOT / "Makefile").read_text()
    compared = re.findall(r"results/(\w+)", text.split("--diff-filter", 1)[1].split(")", 1)[0])
    assert compared == ["records", "predictions", "dendrites", "registered"]
