"""What is said about this version in several places is the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

import pbgraph

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version():
    found = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert found == [pbgraph.__version__]


def test_the_changelog_knows_this_version():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert pbgraph.__version__ in (ROOT / "CHANGELOG.md").read_text()
    assert str(Version(pbgraph.__version__)) == pbgraph.__version__


def test_the_pythons_that_are_claimed_are_those_that_are_run():
    if not (workflow := ROOT / ".github/workflows/ci.yml").exists():
        pytest.skip("the workflow is no part of a source distribution")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claimed = re.findall(r"Programming Language :: Python :: (3\.[0-9]+)", "\n".join(project["classifiers"]))
    (run,) = re.findall(r"python: \[(.+)\]", workflow.read_text())
    assert re.findall(r"3\.[0-9]+", run) == claimed
    assert project["requires-python"] == f">={claimed[0]}"
