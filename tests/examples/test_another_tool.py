"""The example of another tool, from its split files to a row beside ours."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from pbgraph import bench
from pbgraph.results.folder import ResultsFolder

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.thorough
def test_it_becomes_a_row_beside_ours(shared, tmp_path, monkeypatch, capsys):
    """Its own commands, with one seed and few trees."""
    spec = importlib.util.spec_from_file_location("another_tool", EXAMPLES / "another_tool.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"python -m pbgraph\.bench (.*)", module.__doc__)
    splits, score, _ = (shlex.split(line.replace("68-70", "68")) for line in commands)
    data = ("--data", str(shared / "data"), "--offline")
    assert bench.main([*splits, *data]) == 0
    (folder,) = Path().glob("splits/tox21-random-*")
    written = module.predict(folder, trees=3)
    assert bench.main([*(str(written) if word.endswith(".csv") else word for word in score), *data]) == 0
    (record,) = ResultsFolder(tmp_path / "results").records("tox21")
    assert str(record.spec.arm) == "forest on MACCS keys/external"
    assert 0.6 < record.scores["test"].metrics["roc_auc"] < 0.85
    assert record.key in capsys.readouterr().out


def test_the_walk_of_chemprop_uses_commands_that_there_are():
    """chemprop is not installed here: of its walk, the commands of pbgraph are held to what they take."""
    text = (EXAMPLES / "chemprop.md").read_text()
    commands = re.findall(r"^    python -m pbgraph\.bench (.*)$", text, re.MULTILINE)
    from pbgraph.cli.arguments import parse

    assert [shlex.split(line)[0] for line in commands] == ["splits", "score", "compare"]
    for line in commands:
        parse(shlex.split(line))
