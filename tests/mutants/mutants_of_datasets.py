"""A small data set that passes every check, and for each check one that it must reject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.tox21 import TOX21
from pbgraph.files.hashing import sha256

ROWS = [[str(i % 2), str(i // 2 % 2), f"M{i}", "C" * (i + 1)] for i in range(20)]


def written(folder: Path, table: list[list[str]] | None = None, **changes: object) -> Dataset:
    """The data set of these rows, with its file in the folder, and some facts about it changed."""
    lines = [["a", "b", "mol_id", "smiles"], *(table or ROWS)]
    content = ("\n".join(",".join(line) for line in lines) + "\n").encode()
    (folder / "small.csv").write_bytes(content)
    facts: dict[str, Any] = {
        "name": "small",
        "file": "small.csv",
        "sha256": sha256(content),
        "urls": (),
        "rows": 20,
        "tasks": ("a", "b"),
        "defects": {},
    }
    return replace(TOX21, **{**facts, **changes})


def with_cell(row: int, column: int, text: str) -> list[list[str]]:
    return [[text if (i, j) == (row, column) else cell for j, cell in enumerate(cells)] for i, cells in enumerate(ROWS)]


MUTANTS: dict[str, Callable[[Path], Dataset]] = {
    "described": lambda folder: written(folder, licence=""),
    "file": lambda folder: written(folder, sha256="0" * 64),
    "rows": lambda folder: written(folder, rows=21),
    "names": lambda folder: written(folder, with_cell(3, 2, " ")),
    "structures": lambda folder: written(folder, smiles_column="mol_id"),
    "rejected-stated": lambda folder: written(folder, with_cell(3, 3, "C1CC")),
    "labels": lambda folder: written(folder, [[cells[0], "", *cells[2:]] for cells in ROWS]),
    "protocol": lambda folder: written(folder, split="time"),
}
