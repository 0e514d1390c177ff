"""A file of predictions that another tool made -> scores of the molecules of a data set.

CSV (plain or gzip) or Parquet: a column of names or of structures, and a column for each target, with the probability
of class 1 or a value in the unit of the data. Rows may be in any order, and other molecules of the data set among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.labels import number
from pbgraph.datasets.sheet import Sheet, header_of, read_content, read_sheet, shown
from pbgraph.errors import DataError, UsageError
from pbgraph.metrics import Kind
from pbgraph.molecules import Molecules
from pbgraph.structures.smiles import examined, shortened

NAMES, STRUCTURES = ("mol_id", "id"), ("smiles", "SMILES")  # columns that are looked for, after the data set's own
MOST_NAMED = 5  # molecules in one message


@dataclass(frozen=True, eq=False)
class ForeignPredictions:
    """What a file predicts.

    rows  number of a molecule -> the rows of the file that are of it, of every molecule that is there
    """

    sheet: Sheet
    rows: Mapping[int, Sequence[int]]
    tasks: tuple[str, ...]
    kind: Kind

    @property
    def file(self) -> str:
        """Its name."""
        return self.sheet.file

    @property
    def sha256(self) -> str:
        """Of its content, unpacked."""
        return self.sheet.sha256

    def scores(self, molecules: Molecules, index: np.ndarray, part: str) -> np.ndarray:
        """Scores (n, T) of the molecules with these numbers, NaN for blank cells where nothing is measured.

        part  what they are called in messages
        Raises DataError, naming molecules or lines, unless each is there once with a fitting number in every cell that
        is measured.
        """
        where = {molecule: self.rows.get(molecule, ()) for molecule in index.tolist()}
        if missing := [molecules.mol_ids[molecule] for molecule, rows in where.items() if not rows]:
            raise DataError(
                f"{self.file}: {len(missing)} of {len(index)} {part} molecules are not there: {_named(missing)}; "
                "predict them all, and see that --split and --seeds are those that the tool was trained with"
            )
        if twice := [molecule for molecule, rows in where.items() if len(rows) > 1]:
            places = "; ".join(
                f"{molecules.mol_ids[molecule]} ({shown([self.sheet.places[row] for row in where[molecule]])})"
                for molecule in twice[:MOST_NAMED]
            )
            raise DataError(f"{self.file}: {len(twice)} {part} molecules are there more than once: {places}; keep one")
        rows = np.array([rows[0] for rows in where.values()], dtype=np.int64)
        return self._numbers(rows, ~np.isnan(molecules.y[index]))

    def has_all(self, index: np.ndarray) -> bool:
        """Whether every molecule with one of these numbers is there."""
        return set(index.tolist()) <= self.rows.keys()

    def _numbers(self, rows: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """The cells of these rows as numbers; measured (n, T): which of them have to be some."""
        numbers = np.full(measured.shape, np.nan)
        wrong: list[str] = []
        for column, name in enumerate(self.tasks):
            cells = self.sheet.columns[name]
            for place, row in enumerate(rows):
                value = number(cells[row])
                if value is not None and self._fits(value):
                    numbers[place, column] = value
                elif measured[place, column]:
                    wrong.append(f"{self.sheet.places[row]}, column {name}: {shortened(cells[row])!r}")
        if wrong:
            expected = "a probability of class 1, in [0, 1]" if self.kind == "classification" else "a finite number"
            more = f"; and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
            raise DataError(f"{self.file}: expected {expected}, but {'; '.join(wrong[:MOST_NAMED])}{more}")
        return numbers

    def _fits(self, number: float) -> bool:
        return 0 <= number <= 1 if self.kind == "classification" else math.isfinite(number)


def read_foreign(
    path: Path, dataset: Dataset, molecules: Molecules, *, name: str | None = None, smiles: str | None = None
) -> ForeignPredictions:
    """Read a file of predictions for a data set.

    name, smiles  its column of names, or of structures; without any, the data set's own are looked for, and the usual
    Molecules are found by name where there are names, else by structure, however that is written. Rows that the data
    set leaves out are passed over. Raises UsageError if a column is missing, DataError for what is no table or a row
    that is no molecule of the data set.
    """
    content = read_content(path)
    header = header_of(path.name, content, molecules.tasks)
    by_name, column = _column(path.name, header, dataset, name=name, smiles=smiles)
    if missing := [target for target in molecules.tasks if target not in header]:
        raise UsageError(
            f"{path.name} has no column {', '.join(missing)}: expected one for each of the {len(molecules.tasks)} "
            f"targets of {dataset.name}; its columns are {', '.join(header)}"
        )
    sheet = read_sheet(path.name, content, [column, *molecules.tasks])
    rows = _by_name(sheet, column, molecules) if by_name else _by_structure(sheet, column, molecules)
    return ForeignPredictions(sheet, rows, molecules.tasks, dataset.kind)


def _column(
    file: str, header: Sequence[str], dataset: Dataset, *, name: str | None, smiles: str | None
) -> tuple[bool, str]:
    """Whether molecules are found by name, and the column by which they are found."""
    asked = {"--id": name, "--smiles": smiles}
    for option, column in asked.items():
        if column is not None and column not in header:
            raise UsageError(f"{option} {column}: {file} has no such column; its columns are {', '.join(header)}")
    if name is not None or smiles is not None:
        return (True, name) if name is not None else (False, str(smiles))
    for by_name, columns in ((True, (dataset.id_column, *NAMES)), (False, (dataset.smiles_column, *STRUCTURES))):
        if found := next((column for column in columns if column in header), None):
            return by_name, found
    raise UsageError(
        f"{file} has no column of names or structures that is called as usual; say which with --id COL or --smiles "
        f"COL. Its columns are {', '.join(header)}"
    )


def _by_name(sheet: Sheet, column: str, molecules: Molecules) -> dict[int, tuple[int, ...]]:
    number = {name: place for place, name in enumerate(molecules.mol_ids)}
    left_out = {one.mol_id for one in molecules.rejected}
    cells = sheet.columns[column]
    strange = [row for row, cell in enumerate(cells) if cell not in number and cell not in left_out]
    _check_known(sheet, column, strange, molecules.dataset)
    return {number[cell]: rows for cell, rows in _grouped(cells).items() if cell in number}


def _check_known(sheet: Sheet, column: str, strange: Sequence[int], dataset: str) -> None:
    """Raises DataError, naming the rows, if some are of no molecule of the data set."""
    if strange:
        named = [f"{sheet.places[row]}: {shortened(sheet.columns[column][row])!r}" for row in strange[:MOST_NAMED]]
        raise DataError(
            f"{sheet.file}: {len(strange)} rows are of no molecule of {dataset}, by column {column!r}: "
            f"{'; '.join(named)}{' and more' if len(strange) > MOST_NAMED else ''}; take them out, or name another "
            "column with --id or --smiles"
        )


def _by_structure(sheet: Sheet, column: str, molecules: Molecules) -> dict[int, Sequence[int]]:
    """Molecules found by their SMILES as the data set spells it, or else by what all spellings of it share.

    Where several molecules have one structure, no more rows than that must have it, and all say the same.
    """
    cells = sheet.columns[column]
    spelt = _grouped(molecules.smiles)
    canonical = _canonical(molecules.smiles, {cell for cell in cells if cell not in spelt})
    of_one: dict[tuple[int, ...], list[int]] = {}
    strange: list[int] = []
    for row, cell in enumerate(cells):
        found = spelt.get(cell) or canonical.get(cell)
        if found is None:
            strange.append(row)
        else:
            of_one.setdefault(found, []).append(row)
    _check_known(sheet, column, _not_rejected(strange, cells, molecules), molecules.dataset)
    rows: dict[int, Sequence[int]] = {}
    for found, mine in of_one.items():
        if len(found) > 1:
            _check_alike(sheet, mine, [molecules.mol_ids[one] for one in found], molecules.tasks)
        rows |= dict.fromkeys(found, mine[:1] if 1 < len(mine) <= len(found) else mine)
    return rows


def _grouped(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Name -> the places that have it."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return {name: tuple(found) for name, found in places.items()}


def _canonical(smiles: Sequence[str], others: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Each of these other texts -> the molecules with its structure, which takes a while where there are some."""
    others = sorted(others)
    if not others:
        return {}
    known = _grouped(name for _, name in examined(smiles))
    names = [name for _, name in examined(others)]
    return {text: known[name] for text, name in zip(others, names, strict=True) if name and name in known}


def _not_rejected(strange: Sequence[int], cells: Sequence[str], molecules: Molecules) -> list[int]:
    """The rows whose structure can be read, or all where the data set has left no row out: what it could not read, a
    tool may have predicted all the same.
    """
    if not molecules.rejected:
        return list(strange)
    reasons = [reason for reason, _ in examined([cells[row] for row in strange])]
    return [row for row, reason in zip(strange, reasons, strict=True) if reason is None]


def _check_alike(sheet: Sheet, rows: Sequence[int], names: Sequence[str], tasks: Sequence[str]) -> None:
    """Raises DataError if rows of one structure, which stands for several molecules, say different things."""
    if len({tuple(sheet.columns[target][row] for target in tasks) for row in rows}) > 1:
        raise DataError(
            f"{sheet.file}: {shown([sheet.places[row] for row in rows])} have one structure and different predictions, "
            f"and may be of {_named(names)}; add a column of names, and give it with --id"
        )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
