"""The tutorials of docs/ are walked: files are written, commands are called, and what they say is what is shown.

A fenced block with a title is a file; in one of ``console``, lines that begin with "$ " are commands, and the lines
under them are among those that the command prints, in their order. Figures are not compared, since times and dates are
among them, and the last digits of some depend on the processor; "..." stands for what is left out.
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from links import DOCS, ROOT

from isolated import Isolated, isolated
from pbgraph import bench

TUTORIALS = DOCS / "tutorials"
BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
PBGRAPH = "python -m pbgraph.bench "
PIP = "pip install "


@dataclass(frozen=True)
class Step:
    """A command and what is shown of its output."""

    command: str
    shown: tuple[str, ...]


def files(page: str) -> dict[str, str]:
    """Name -> content of the files that a page has its reader write."""
    return {found["title"]: found["text"] for found in BLOCK.finditer(page) if found["title"]}


def steps(page: str) -> Iterator[Step]:
    """The commands of a page, in their order."""
    for found in BLOCK.finditer(page):
        if found["kind"] == "console":
            for part in re.split(r"^\$ ", found["text"], flags=re.MULTILINE)[1:]:
                command, *lines = part.splitlines()
                yield Step(command, tuple(line for line in lines if line not in ("", "...")))


def masked(line: str) -> str:
    """A line without its figures, digests and the widths of its columns."""
    line = re.sub(r"\b[0-9a-f]{8,}\b|[+-]?\d[\d,.:T]*", "#", line)
    return re.sub(r" +", " ", re.sub(r"-{2,}", "-", line)).strip()


def check_said(step: Step, said: str) -> None:
    """All that is shown is among the lines that were said, in the order of these."""
    lines = map(masked, said.splitlines())
    for line in step.shown:
        assert masked(line) in lines, f"'{step.command}' does not say '{line}' there, but\n{said}"


def write_files(page: str, folder: Path) -> None:
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def text_of(name: str) -> str:
    return (TUTORIALS / f"{name}.md").read_text()


@pytest.fixture
def walk(tmp_path, monkeypatch, capsys, shared) -> Callable[[str, Isolated | None], None]:
    """Do what a page says, in a folder of its own; with the packages of an environment, if there is one."""
    monkeypatch.setenv("PBGRAPH_DATA", str(shared / "data"))
    folder = tmp_path / "walk"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)

    def do(name: str, environment: Isolated | None = None) -> None:
        page = text_of(name)
        write_files(page, folder)
        run = environment.here(monkeypatch, capsys, folder) if environment else None
        for step in steps(page):
            if step.command.startswith(PIP):
                assert environment is not None
                environment.install(*(folder / part for part in step.command.removeprefix(PIP).split()))
                run = environment.here(monkeypatch, capsys, folder)
                continue
            assert step.command.startswith(PBGRAPH), f"a command that is not walked: {step.command}"
            words = shlex.split(step.command.removeprefix(PBGRAPH))
            if run is None:
                capsys.readouterr()
                code = bench.main(words)
                said = "\n".join(capsys.readouterr())
            else:
                done = run(*words)
                code, said = done.returncode, f"{done.stdout}\n{done.stderr}"
            assert code == 0, (step.command, said)
            check_said(step, said)

    return do


@pytest.mark.lengthy
def test_reproduce(walk):
    """Of a clone, as much as the records of this one."""
    Path("results").symlink_to(ROOT / "results")
    walk("reproduce")


@pytest.mark.slow
def test_add_a_model_and_publish(walk, tmp_path):
    environment = isolated(tmp_path / "own")
    walk("add-a-model", environment)
    walk("publish", environment)


@pytest.mark.slow
def test_your_own_assay(walk):
    shutil.copy(ROOT / "examples" / "assays.csv", ".")
    walk("your-own-assay")


def test_the_network_of_the_tutorial_is_that_of_the_guide():
    """Which the default tier trains, see test_contributing.py."""
    shown = files(text_of("add-a-model"))["sum-net/sum_net.py"]
    assert shown == (ROOT / "tests/plugin/toy_molecules/sum_net.py").read_text()


def test_the_assay_of_the_tutorial_is_a_cut_of_tox21(tox21):
    with (ROOT / "examples" / "assays.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 240
    columns = [tox21.tasks.index(name) for name in ("NR-AhR", "SR-MMP")]
    rows = {name: row for row, name in enumerate(tox21.mol_ids)}
    for line in lines:
        labels = [float(line[name] or "nan") for name in ("AhR", "MMP")]
        assert np.array_equal(tox21.y[rows[line["id"]], columns], labels, equal_nan=True)


def test_commands_of_pages_that_are_not_walked_can_be_parsed():
    from pbgraph.cli.arguments import parse

    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    blocks = [found["text"] for page in pages for found in BLOCK.finditer(page.read_text()) if found["kind"] == "sh"]
    lines = [line.strip() for text in blocks for line in text.splitlines() if line.strip().startswith(PBGRAPH)]
    assert len(lines) > 8
    for line in lines:
        parse(shlex.split(line.removeprefix(PBGRAPH), comments=True))


def test_what_is_not_said_is_noticed():
    check_said(Step("x", ("| a | 0.5 |", "b  12:30")), "| a   | 0.7 |\nother\nb 1:15")
    for shown in (("b 1",), ("other", "| a | 1 |"), ("| b | 0.5 |",)):
        with pytest.raises(AssertionError, match="does not say"):
            check_said(Step("x", shown), "| a | 0.7 |\nother\nc 1")
    assert [step.shown for step in steps("```console\n$ one\n...\nx\n$ two\n```\n")] == [("x",), ()]
