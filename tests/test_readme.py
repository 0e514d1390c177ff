"""What README shows was printed by what README shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pbgraph import bench

pytestmark = pytest.mark.lengthy

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_loop_of_readme_prints_what_it_says(threads):
    code, shown = re.search(r"```python\n(.*?)```\n\nprints\n\n((?:    [^\n]*\n)+)", README, re.DOTALL).groups()
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout == dedent(shown)


@pytest.mark.parametrize("command", ["compare", "dendrites"])
def test_what_readme_quotes_of_the_results_is_what_the_command_prints(command, monkeypatch, capsys):
    """Whole lines of the block that follows the command, in their order."""
    monkeypatch.chdir(ROOT)
    words, block = re.search(
        rf"`python -m pbgraph.bench ({command}[^`]*)`.*?\n\n((?:    [^\n]*\n|\n)+)", README, re.DOTALL
    ).groups()
    assert bench.main(words.split()) == 0
    printed = iter(capsys.readouterr().out.splitlines())
    quoted = dedent(block).strip().splitlines()
    assert len(quoted) > 5
    assert all(line in printed for line in quoted)


def test_the_names_of_readme_are_registered():
    from pbgraph.methods.base import METHODS
    from pbgraph.plans.presets import PLANS

    named = set(re.findall(r"`([a-z-]+)`", README))
    assert set(METHODS.names()) - {"fit", "backprop"} <= named
    assert all(name in README for name in PLANS)
