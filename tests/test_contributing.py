"""The newcomer's walk through CONTRIBUTING.md, to the letter, in a package of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from toy_plugin import install

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)[1]


def test_the_architecture_of_the_guide_trains_with_and_without_dendrites(tmp_path):
    env = install(tmp_path)
    (tmp_path / "sum_net.py").write_text(block("python"))
    info = tmp_path / "sum_net-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sum-net\nVersion: 1.0\n")
    (line,) = tomllib.loads(block("toml"))["project"]["entry-points"]["pbgraph.models"].items()
    assert line == ("sum-net", "pbgraph.models.sum_net:SUM_NET")
    (info / "entry_points.txt").write_text("[pbgraph.models]\nsum-net = sum_net:SUM_NET\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pbgraph.bench", "toy", "--preset", "smoke", "--models", "sum-net"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sum-net | perforated" in done.stdout
    assert len(block("python").splitlines()) < 50
