"""`make results` writes what the records give over what a results folder has beside them, and makes nothing else."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import tables

from made_records import history, make_record
from pbgraph import bench
from pbgraph.results.folder import ResultsFolder


@pytest.fixture
def results(tmp_path, monkeypatch):
    folder = ResultsFolder(tmp_path / "results")
    for seed in (68, 69):
        folder.write(replace(make_record("trimnet/backprop", seed, 0.8), history=history("neuron", "neuron")))
    monkeypatch.setattr(tables, "RESULTS", folder.root)
    monkeypatch.setattr(tables, "write_pages", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["tables.py"])
    return folder


def test_what_differs_is_written_and_nothing_new_is_made(results, capsys):
    (table := results.root / "tox21.md").write_text("of long ago\n")
    (page := results.root / "leaderboard.html").write_text("")
    (picture := results.root / "tox21.png").write_bytes(b"")
    assert tables.main() == 0
    capsys.readouterr()
    assert bench.main(["table", "tox21", "--results", str(results.root)]) == 0
    assert table.read_text() == capsys.readouterr().out
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in results.root.iterdir()} >= {table.name, page.name, picture.name}
    assert not list(results.root.glob("*.csv"))
    before = table.stat().st_mtime_ns
    assert tables.main() == 0
    assert table.stat().st_mtime_ns == before
    assert capsys.readouterr().out == ""
