"""What README and docs/ show of results/ is what these give, and what pages show as printed is what is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest
import shown
from links import DOCS, ROOT

BLOCKS = [(page, source) for page in shown.pages() for source in shown.sources(page.read_text())]
LOOP = (DOCS / "tutorials/your-own-loop.md").read_text()
README = (ROOT / "README.md").read_text()


def reads_data(source: str) -> bool:
    """Whether it takes seconds, and data that are not in the repository."""
    return "--by-similarity" in source or "bench splits" in source


def marks(source: str) -> list[pytest.MarkDecorator]:
    if reads_data(source):
        return [pytest.mark.slow]
    if source.startswith(shown.COMMAND) and " compare " in source:  # thousands of resamples
        return [pytest.mark.thorough]
    return [pytest.mark.lengthy] if source.startswith(shown.COMMAND) else []


@pytest.mark.parametrize(
    ("page", "source"),
    [pytest.param(*block, marks=marks(block[1]), id=f"{block[0].name}: {block[1][:60]}") for block in BLOCKS],
)
def test_a_page_shows_what_its_source_gives(page, source, request):
    if reads_data(source):
        request.getfixturevalue("shared")
    text = page.read_text()
    assert shown.made_anew(text, lambda one: shown.block(one) if one == source else None) == text


def test_readme_shows_the_table_and_pages_the_rest():
    sources = [source for _, source in BLOCKS]
    assert sources.count("results/tox21.md; from ^Protocol") == 2
    for words in ("compare", "dendrites", "runs", "--by-similarity"):
        assert any(words in source for source in sources)


def test_readme_is_a_screen_and_a_half():
    """Without what is made of results/, which is as long as its table."""
    own = shown.made_anew(README, lambda _: "").splitlines()
    assert len(own) <= 75
    assert next(line for line in own[1:] if line).strip().startswith("git clone")
    assert "make run" in README
    assert "make test" in README


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a.md; from ^b; to ^$", "\nb\nc\n\n"),
        ("a.md; lines [ac]", "\na\nc\n\n"),
        ("a.csv", "\n| x | y |\n| --- | --- |\n| 1 | - |\n\n"),
    ],
)
def test_parts_of_files(source, text, tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text("a\nb\nc\n\nd\n")
    (tmp_path / "a.csv").write_text("x,y\n1,\n")
    monkeypatch.setattr(shown, "ROOT", tmp_path)
    assert shown.block(source) == text


def test_what_a_command_prints_is_shown_as_it_says(monkeypatch):
    monkeypatch.setattr(shown, "_printed", lambda words: "a\n| x |\n| --- |\n\nb\n")
    assert shown.block("python -m pbgraph.bench ls; to ^$") == "```text\na\n| x |\n| --- |\n```\n"
    assert shown.block("python -m pbgraph.bench ls; as Markdown; from x") == "\n| x |\n| --- |\n\nb\n\n"
    with pytest.raises(ValueError, match="as HTML, expected as Markdown"):
        shown.block("python -m pbgraph.bench ls; as HTML")


def test_a_source_that_gives_nothing_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text("a\n")
    monkeypatch.setattr(shown, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="gives no line"):
        shown.block("a.md; from ^z")


def test_a_stale_page_is_named_and_then_written(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    (tmp_path / "a.md").write_text("a\n")
    page.write_text("One\n\n<!-- shown: a.md -->\n\nb\n\n<!-- end -->\n\nTwo\n")
    monkeypatch.setattr(shown, "ROOT", tmp_path)
    monkeypatch.setattr(shown, "pages", lambda: [page])
    monkeypatch.setattr(sys, "argv", ["shown.py", "--check"])
    assert shown.main() == 1
    assert "page.md" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["shown.py"])
    assert shown.main() == 0
    assert page.read_text() == "One\n\n<!-- shown: a.md -->\n\na\n\n<!-- end -->\n\nTwo\n"
    monkeypatch.setattr(sys, "argv", ["shown.py", "--check"])
    assert shown.main() == 0


@pytest.mark.thorough
@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_loop_prints_what_the_page_says(threads):
    code, said = re.search(r"```python\n(.*?)```\n\nprints\n\n((?:    [^\n]*\n)+)", LOOP, re.DOTALL).groups()
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout == dedent(said)


def test_what_is_registered_is_named():
    from pbgraph.methods.base import METHODS
    from pbgraph.plans.presets import PLANS

    commands = (DOCS / "guide/commands.md").read_text()
    named = set(re.findall(r"`([a-z-]+)`", commands))
    assert set(METHODS.names()) - {"fit", "backprop"} <= named
    assert all(name in commands for name in PLANS)
