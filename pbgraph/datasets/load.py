"""The CSV of a data set -> molecules with labels; every row that is left out is counted and named."""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path

import msgspec
import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.source import find
from pbgraph.datasets.text_table import csv_reader
from pbgraph.errors import DataError
from pbgraph.files.cache import cached
from pbgraph.files.hashing import sha256
from pbgraph.metrics import Kind
from pbgraph.molecules import Molecules, Rejected
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import reasons, structures_key

log = logging.getLogger(__name__)

MOST_SHOWN = 10  # rejected rows in one warning
VERSION = 2  # of the rules by which structures are rejected
SECONDS_EACH = 0.00015  # that parsing a structure takes


def load(dataset: Dataset, *, folder: Path | None = None, offline: bool = False) -> Molecules:
    """Find or fetch the file of a data set and read it.

    folder   looked in first (``--data``)
    offline  do not fetch
    Rows that were left out are named in one warning. Raises DataError if the file cannot be had or read.
    """
    if dataset.load is not None:
        molecules = dataset.load(folder)
    else:
        molecules = read(dataset, find(dataset, folder=folder, offline=offline))
    if molecules.rejected:
        total = len(molecules) + len(molecules.rejected)
        log.warning(
            "%s: %d of %d rows left out: %s", dataset.name, len(molecules.rejected), total, _listed(molecules.rejected)
        )
    return molecules


def make_ready(dataset: Dataset, *, folder: Path | None = None, offline: bool = False) -> None:
    """Have all that `load` needs at hand, so that what is missing is said once, before any run; arguments and errors
    as for `load`.
    """
    if dataset.load is not None:
        dataset.load(folder)
    else:
        find(dataset, folder=folder, offline=offline)


def _listed(rejected: Sequence[Rejected]) -> str:
    shown = "; ".join(f"row {row.row} ({row.mol_id}): {row.reason}" for row in rejected[:MOST_SHOWN])
    more = len(rejected) - MOST_SHOWN
    return f"{shown}; and {more} more, which every record lists" if more > 0 else shown


def read(dataset: Dataset, content: bytes) -> Molecules:
    """Read the CSV text of a data set.

    A row is rejected if a label is neither 0, 1 (of regression tasks, a number) nor blank, or if RDKit cannot parse the
    SMILES or finds no atom in it. Raises DataError if a column is missing, a name occurs twice, or there is no row.
    """
    header, table = _table(dataset, content)
    tasks = dataset.label_columns(header)
    columns = {name: i for i, name in enumerate(header)}
    smiles = tuple(row[columns[dataset.smiles_column]] for row in table)
    mol_ids = _names(dataset, table, columns)
    y, bad_labels = _labels(dataset, table, {task: columns[task] for task in tasks})
    reasons = {**_bad_structures(dataset, smiles), **bad_labels}
    rows = np.array([i for i in range(len(table)) if i not in reasons], dtype=np.int64)
    return Molecules(
        dataset=dataset.name,
        sha256=sha256(content),
        tasks=tasks,
        mol_ids=tuple(mol_ids[i] for i in rows),
        smiles=tuple(smiles[i] for i in rows),
        rows=rows,
        y=y[rows],
        rejected=tuple(Rejected(i, mol_ids[i], reasons[i]) for i in sorted(reasons)),
    )


def _table(dataset: Dataset, content: bytes) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, all of the header's length."""
    try:
        lines = list(csv_reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{dataset.file} is not a CSV file in UTF-8: {error}") from error
    table = [line for line in lines if line]
    if len(table) < 2:
        raise DataError(f"{dataset.file} has no rows; expected a header and at least one row")
    header, rows = table[0], table[1:]
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise DataError(f"{dataset.file}, row {number}: {len(row)} cells under a header of {len(header)}")
    return header, rows


def _names(dataset: Dataset, table: Sequence[Sequence[str]], columns: Mapping[str, int]) -> tuple[str, ...]:
    """The name of each row, no two alike; its number, from 0, if the file names none."""
    if dataset.id_column is None:
        return tuple(map(str, range(len(table))))
    mol_ids = tuple(row[columns[dataset.id_column]] for row in table)
    seen: set[str] = set()
    twice = [name for name in mol_ids if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise DataError(
            f"{dataset.file}: column {dataset.id_column} must name each row once, but {len(twice)} names are repeated, "
            f"first {twice[0]!r}"
        )
    return mol_ids


def _labels(
    dataset: Dataset, table: Sequence[Sequence[str]], places: Mapping[str, int]
) -> tuple[np.ndarray, dict[int, str]]:
    """(rows, T) float32 with NaN for blanks, and why a row's labels cannot be used; places: task -> place in a row."""
    label, expected = READERS[dataset.kind]
    y = np.full((len(table), len(places)), np.nan, dtype=np.float32)
    reasons: dict[int, str] = {}
    first, *rest = places.values()
    labels_of = itemgetter(first, *rest, first)  # one more than there are, so that it gives a tuple for one task too
    for i, row in enumerate(table):
        values = list(map(label, labels_of(row)))
        if None in values:
            wrong = [f"{task} is {row[place]!r}" for task, place in places.items() if label(row[place]) is None]
            reasons[i] = f"label {', '.join(wrong)}; expected {expected} or blank"
        else:
            y[i] = values[:-1]
    return y, reasons


def _number(cell: str) -> float | None:
    """The cell as a number that float32 can hold, NaN for a blank one, None for anything else."""
    if not cell.strip():
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    fits = cell.isascii() and "_" not in cell and abs(value) <= float(np.finfo(np.float32).max)  # False for NaN
    return value if fits else None


def _class(cell: str) -> float | None:
    """0.0 or 1.0, however written, NaN for a blank cell, None for anything else."""
    value = _number(cell)
    return value if value is None or math.isnan(value) or value in (0.0, 1.0) else None


READERS: Mapping[Kind, tuple[Callable[[str], float | None], str]] = {
    "classification": (lru_cache(maxsize=1024)(_class), "0, 1"),
    "regression": (_number, "a number"),
}


def _bad_structures(dataset: Dataset, smiles: Sequence[str]) -> dict[int, str]:
    """Why structures cannot be used, by row; kept in the cache, so that a second start needs no RDKit."""
    key = {"version": VERSION, **structures_key(smiles)}
    content = cached(f"{dataset.name}-rejected", key, lambda: msgspec.json.encode(_all_reasons(smiles)))
    return msgspec.json.decode(content, type=dict[int, str])


def _all_reasons(smiles: Sequence[str]) -> dict[int, str]:
    parts = in_parts(_reasons, smiles, seconds_each=SECONDS_EACH)
    return {row: reason for part in parts for row, reason in part.items()}


def _reasons(smiles: Sequence[str], first: int) -> dict[int, str]:
    return {row: reason for row, reason in enumerate(reasons(smiles), first) if reason is not None}
