"""Columns of a table -> the molecules of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pbgraph.datasets.sheet import Sheet, shown
from pbgraph.errors import DataError
from pbgraph.molecules import Molecules, Rejected


def names_of(sheet: Sheet, column: str, remedy: str = "correct them") -> tuple[str, ...]:
    """The names of the rows. Raises DataError, naming the rows, if one is blank or repeated."""
    names = sheet.columns[column]
    counts = Counter(names)
    wrong = [
        f"{place} ({name!r})"
        for place, name in zip(sheet.places, names, strict=True)
        if not name.strip() or counts[name] > 1
    ]
    if wrong:
        raise DataError(
            f"{sheet.file}: column {column!r} must name each row once, but names are blank or repeated: "
            f"{shown(wrong)}; {remedy}"
        )
    return names


def accepted(
    dataset: str,
    sheet: Sheet,
    refused: Mapping[int, str],
    *,
    smiles: str,
    mol_ids: Sequence[str],
    targets: Sequence[str],
    y: np.ndarray,
    split_column: str | None = None,
    date: str | None = None,
    columns: np.ndarray | None = None,
) -> Molecules:
    """The rows of a table against which there is no reason.

    refused              row -> why it is left out
    smiles, split_column, date  names of columns
    mol_ids, y, columns  n names, (n, T) labels and (n, D) other numbers of all rows
    """
    rows = np.array([row for row in range(len(sheet.places)) if row not in refused], dtype=np.int64)
    return Molecules(
        dataset=dataset,
        sha256=sheet.sha256,
        tasks=tuple(targets),
        mol_ids=_at(mol_ids, rows),
        smiles=_at(sheet.columns[smiles], rows),
        rows=rows,
        y=y[rows].astype(np.float32),
        rejected=tuple(Rejected(row, mol_ids[row], refused[row]) for row in sorted(refused)),
        subset=_at(sheet.columns[split_column], rows) if split_column else None,
        date=_at(sheet.columns[date], rows) if date else None,
        columns=None if columns is None else columns[rows].astype(np.float32),
    )


def _at(cells: Sequence[str], rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(cells[row] for row in rows)
