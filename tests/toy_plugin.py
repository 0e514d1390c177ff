"""A third party's package with two small data sets, written to a folder: what the command line runs on in tests.

`toy` has 240 molecules and two tasks that depend on the structure; in `toy-hopeless` every label is 0, so that no run
can be scored on validation rows. The split `broken` raises an error.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from pbgraph.records import sha256

CHAINS = ["C" * n for n in range(1, 11)]
HEADS = ["O", "N", "Cl", "c1ccccc1", "C(=O)O", "N#C"]
TAILS = ["", "O", "N", "F"]
MODULE = """
from dataclasses import replace
from pbgraph.datasets.tox21 import TOX21
from pbgraph.splits import Splitter

def _toy(name, sha256):
    return replace(
        TOX21, name=name, file=f"{{name}}.csv", sha256=sha256, urls=(), rows={rows}, tasks=("a", "b"), source="made up"
    )

def _refuse(molecules, seed):
    raise ValueError("cannot split " + str(len(molecules)))

BROKEN = Splitter(name="broken", version=1, seeded=True, split=_refuse, source="made up")
TOY = _toy("toy", "{toy}")
HOPELESS = _toy("toy-hopeless", "{hopeless}")
"""
ENTRY_POINTS = """
[pbgraph.datasets]
toy = toy_package:TOY
toy-hopeless = toy_package:HOPELESS

[pbgraph.splits]
broken = toy_package:BROKEN
"""


def table(*, hopeless: bool = False) -> bytes:
    """The CSV: task a asks for nitrogen, task b for a chain of even length; every seventh cell of b is blank."""
    lines = ["a,b,mol_id,smiles"]
    for row, (head, chain, tail) in enumerate(product(HEADS, CHAINS, TAILS)):
        smiles = head + chain + tail
        a, b = int("N" in smiles), "" if row % 7 == 0 else int(len(chain) % 2 == 0)
        lines.append(f"{0 if hopeless else a},{0 if hopeless else b},M{row},{smiles}")
    return ("\n".join(lines) + "\n").encode()


def install(folder: Path) -> dict[str, str]:
    """Write the package and its data; returns the environment in which pbgraph finds both."""
    toy, hopeless = table(), table(hopeless=True)
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "toy.csv").write_bytes(toy)
    (folder / "data" / "toy-hopeless.csv").write_bytes(hopeless)
    rows = toy.count(b"\n") - 1
    (folder / "toy_package.py").write_text(MODULE.format(rows=rows, toy=sha256(toy), hopeless=sha256(hopeless)))
    info = folder / "toy_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PBGRAPH_DATA": str(folder / "data"),
        "PBGRAPH_CACHE": str(folder / "cache"),
    }
