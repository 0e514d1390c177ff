"""What comes from outside is seen as it is, and no encoding is an error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from own_tables import lines, write
from pbgraph.report.markdown import markdown
from pbgraph.terminal import visible, visible_cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ± μ", "plain ± μ"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m\x7f\r", "\\x9b31m\\x7f\\r"),
        ("right \u202e left", "right \\u202e left"),
        ("\udc80", "\\udc80"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_text(text, shown):
    assert visible(text) == shown


def test_cells_have_one_line():
    assert visible_cell("a\nb\x1b") == "a\\nb\\x1b"
    assert "\x1b" not in markdown(["to\x1b[31mx"], [["\x1b[0m"]])


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "setting", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_no_encoding_is_an_error(setting, tmp_path):
    table = lines()
    table[0][1] = "toxic \x1b[31m±"
    path = write(tmp_path, table)
    words = [
        "train",
        path,
        "--smiles",
        "SMILES",
        "--targets",
        table[0][1],
        "--models",
        "random-forest",
        "--preset",
        "smoke",
        "--seeds",
        "68-69",
    ]
    command = [sys.executable, "-P", "-m", "pbgraph.bench", *map(str, words), "--jobs", "1"]
    here = {name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "LC_ALL", "LANG")}
    done = subprocess.run(command, capture_output=True, check=False, timeout=600, env={**here, **setting}, cwd=tmp_path)
    if done.returncode == 2:  # the argument itself cannot be given in this encoding
        assert b"unknown column" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert b"\\xb1" in done.stdout
    assert b"\x1b" not in done.stderr + done.stdout
    assert b"Traceback" not in done.stderr
