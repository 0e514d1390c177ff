"""What a shell is offered: commands, tasks, options and names, quickly and without doing anything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from made_records import make_record
from pbgraph.results.folder import ResultsFolder

pytestmark = pytest.mark.lengthy


def completions(line: str, cwd) -> tuple[set[str], str]:
    """What may stand in the place of the last word, and the modules that were imported to find out."""
    out = cwd / "completions"
    env = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    code = (
        "import atexit, os, sys; from pbgraph import bench\n"
        "leave, os._exit = os._exit, lambda code: (print(*sys.modules, flush=True), leave(code))\n"
        "sys.exit(bench.main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(out.read_text().replace("\\:", ":").split("\n")), done.stdout


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("pbgraph to", {"tox21", "toxcast"}, {"table"}),
        ("pbgraph ", {"tox21", "status", "runs", "show", "rm", "export", "predict"}, set()),
        ("pbgraph tox21 --mo", {"--models"}, {"--methods"}),
        ("pbgraph tox21 --models tr", {"trimnet"}, {"gin"}),
        ("pbgraph tox21 --models trimnet gi", {"gin", "gine"}, {"trimnet"}),
        ("pbgraph runs tox21 --methods ", {"perforated", "all"}, {"trimnet"}),
        ("pbgraph runs t", {"tox21"}, {"status"}),
        ("pbgraph tox21 --split scaf", {"scaffold", "scaffold-balanced"}, {"random"}),
        ("pbgraph status tox21 --preset s", {"smoke"}, {"default"}),
        ("pbgraph table tox21 --format ", {"md", "html"}, set()),
        ("pbgraph check t", {"trimnet", "tox21", "time"}, {"smoke", "gin"}),
        ("pbgraph ls models g", {"gin", "gcn"}, {"graph", "trimnet"}),
        ("pbgraph ls tasks t", {"tox21"}, {"trimnet"}),
        ("pbgraph ls presets s", {"smoke"}, {"scaffold"}),
        ("pbgraph run s", {"smoke"}, {"tox21"}),
        ("pbgraph work ", {"smoke", "tox21", "compression"}, set()),
    ],
)
def test_names_are_offered_where_they_are_taken(line, some, none, tmp_path):
    offered, imported = completions(line, tmp_path)
    assert some <= offered
    assert not none & offered
    assert not {"torch", "rdkit", "pandas"} & set(imported.split())


def test_plan_files_are_offered_beside_plans(tmp_path):
    (tmp_path / "smart.toml").touch()
    (tmp_path / "smart.csv").touch()
    assert {"smoke", "smart.toml"} == {one.strip() for one in completions("pbgraph run sm", tmp_path)[0]}


def test_keys_are_those_of_the_results_folder(tmp_path):
    record = make_record("gin/backprop", 68, 0.8)
    ResultsFolder(tmp_path / "mine").write(record)
    assert completions(f"pbgraph show --results mine {record.key[:3]}", tmp_path)[0] == {record.key}
    assert record.key not in completions("pbgraph show ", tmp_path)[0]
