"""What is said of the source tree where git does not say it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pbgraph.execution import provenance
from pbgraph.report.texts import _runs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit that this package seems to run from."""
    (tmp_path / "pbgraph").mkdir()
    (tmp_path / "pbgraph" / "a.py").write_text("1")
    words = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for more in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*words, *more], check=True, timeout=600)
    monkeypatch.setattr(provenance.pbgraph, "__file__", str(tmp_path / "pbgraph" / "__init__.py"))
    return tmp_path


def look() -> tuple[str, bool]:
    return provenance.source_tree.__wrapped__()


def test_an_edited_tree_is_dirty(tree: Path) -> None:
    assert look()[1] is False
    (tree / "pbgraph" / "a.py").write_text("2")
    assert look()[1] is True


def test_a_tree_that_git_does_not_look_at_counts_as_dirty(tree: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setenv("PATH", str(tree))
    assert look() == ("", True)
    assert "git does not say what was changed" in caplog.text
    assert _runs({"*": 2}) == "unknown* (2 runs)"


def test_the_environment_does_not_name_another_tree(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = look()[0]
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert look() == (commit, False)
