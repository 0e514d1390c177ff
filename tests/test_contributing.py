"""The newcomer's walk through CONTRIBUTING.md: its architecture and its line are those of tests/plugin/."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import pbgraph
from isolated import PLUGIN

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
LINES = [line for line in GUIDE.splitlines() if line.startswith("    python -m pbgraph.bench ") and "sum-net" in line]


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)[1]


def test_the_guide_says_where_every_module_is():
    table = "\n".join(line for line in GUIDE.splitlines() if line.startswith("| `"))
    there = {path.name + "/" * path.is_dir() for path in Path(pbgraph.__file__).parent.iterdir()}
    modules = {name for name in there if name.endswith((".py", "/")) and not name.startswith("_")}
    assert modules == set(re.findall(r"`(\w+(?:\.py|/))`", table))


def test_the_guides_architecture_is_that_of_the_package():
    assert block("python") == (PLUGIN / "toy_molecules" / "sum_net.py").read_text()
    assert len([line for line in block("python").splitlines() if line]) <= 35


def test_the_guides_line_is_that_of_the_package():
    group = "pbgraph.models"
    offered, shown = (
        tomllib.loads(text)["project"]["entry-points"][group]
        for text in ((PLUGIN / "pyproject.toml").read_text(), block("toml"))
    )
    assert offered == shown
    assert len(shown) == 1


@pytest.mark.parametrize("line", LINES)
def test_the_guides_commands_do_what_it_says(line, toy, tmp_path):
    done = toy.run(*line.split()[3:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
