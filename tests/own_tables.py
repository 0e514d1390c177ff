"""Tables as users have them: 120 molecules with two assays, and ways to spoil them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from pbgraph.datasets.load import load
from pbgraph.results.described import dataset_of
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord
from pbgraph.splits import SPLITS

CHAINS = ["C" * n for n in range(1, 11)]
HEADS = ["O", "N", "Cl", "c1ccccc1"]
TAILS = ["", "O", "N"]
HEADER = ("SMILES", "toxic", "even", "name", "logP")


def lines() -> list[list[str]]:
    """A header and 120 rows; `toxic` asks for nitrogen, `even` is blank in every seventh row, `logP` is a number."""
    made = [list(HEADER)]
    for row, (head, chain, tail) in enumerate(product(HEADS, CHAINS, TAILS)):
        smiles = head + chain + tail
        even = "" if row % 7 == 0 else str(int(len(chain) % 2 == 0))
        made.append([smiles, str(int("N" in smiles)), even, f"M{row}", f"{len(chain) / 3 - 1:.3f}"])
    return made


def text(table: list[list[str]], *, separator: str = ",", end: str = "\n") -> str:
    """The table as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(table)
    return out.getvalue()


def write(folder: Path, table: list[list[str]] | None = None, name: str = "my.csv") -> Path:
    """The table as a CSV file in UTF-8."""
    path = folder / name
    path.write_text(text(lines() if table is None else table), encoding="utf-8")
    return path


def with_cell(row: int, column: str, cell: str) -> list[list[str]]:
    """The table with one cell changed; row 1 is the first under the header, which is line 2."""
    made = lines()
    made[row][HEADER.index(column)] = cell
    return made


def with_conditions(ph: list[str] | None = None) -> list[list[str]]:
    """The table with columns `pH`, which decides on `toxic` together with nitrogen, and `dose`, blank in one row."""
    made = [[*HEADER, "pH", "dose"]]
    for row, cells in enumerate(lines()[1:]):
        acid = row % 2 == 0
        cells[1] = str(int(("N" in cells[0]) == acid))
        made.append([*cells, "4.5" if acid else "7.4", "" if row == 5 else str(row % 9)])
    for cells, cell in zip(made[1:], ph or (), strict=False):
        cells[-2] = cell
    return made


def with_column(column: str, cells: list[str]) -> list[list[str]]:
    """The table with a column's first cells changed."""
    made = lines()
    for row, cell in zip(made[1:], cells, strict=False):
        row[HEADER.index(column)] = cell
    return made


def names_predicted(results: ResultsFolder, record: RunRecord, rows: Sequence[int]) -> list[str]:
    """The names of the molecules in a file of predictions; rows: their places among the test rows."""
    molecules = load(dataset_of(record.spec.task, results))
    test = SPLITS.get(record.spec.split).split(molecules, record.spec.split_seed).test
    return [molecules.mol_ids[test[row]] for row in rows]
