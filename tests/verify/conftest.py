"""A project with some of the committed runs, and copies of it to be spoilt."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from committed_runs import COMMITTED, call
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.insights import insight_path
from pbgraph.results.records import RunRecord


def chosen(record: RunRecord) -> bool:
    spec = record.spec
    trimnet = spec.model == "trimnet" and spec.seed == 68 and not spec.changes
    return spec.preset == "default" and (spec.model in ("random-forest", "gin") or trimnet)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Nine of the committed runs, sealed, with the tables and the page that show them and a README that shows one."""
    folder = tmp_path_factory.mktemp("project")
    committed, mine = ResultsFolder(COMMITTED), ResultsFolder(folder / "results")
    for record in filter(chosen, committed.records("tox21")):
        mine.write(record)
        for old in (committed.predictions_path(record.spec), insight_path(committed, record)):
            new = mine.root / old.relative_to(committed.root)
            if old.exists():
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("md", "csv", "json", "tex", "html"):
            written("table", "tox21", "--format", name, to=folder / "results" / f"tox21.{name}")
        assert call("leaderboard", "-o", "results/leaderboard.html") == 0
    table = (folder / "results" / "tox21.md").read_text().split("\n", 2)[2]
    (folder / "README.md").write_text(f"# Project\n\nIt came out so:\n\n{table}\nand that is all. 0.8173\n")
    return folder


def written(*argv: object, to: Path) -> None:
    with to.open("w") as file, contextlib.redirect_stdout(file):
        assert call(*argv) == 0


@pytest.fixture
def copy(project, tmp_path) -> ResultsFolder:
    """The results of the project, to be spoilt."""
    shutil.copytree(project, tmp_path / "project")
    return ResultsFolder(tmp_path / "project" / "results")
