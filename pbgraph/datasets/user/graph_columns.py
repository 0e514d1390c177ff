"""Columns of numbers that models read beside the structures, such as the pH or the dose of a measurement."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np

from pbgraph.datasets.labels import check_rounding, number
from pbgraph.datasets.sheet import Sheet, shown
from pbgraph.errors import UsageError
from pbgraph.structures.smiles import shortened

log = logging.getLogger(__name__)

EXPECTED = "expected finite numbers, or blank"


def numbers(sheet: Sheet, names: Sequence[str]) -> np.ndarray:
    """(n, D) float32 of all rows, NaN = blank.

    Raises UsageError, naming the rows, for cells that are no finite numbers; DataError if single precision rounds the
    numbers of a column by too much.
    """
    return np.stack([_column(sheet, name) for name in names], axis=1)


def _column(sheet: Sheet, name: str) -> np.ndarray:
    known = {cell: number(cell) for cell in set(sheet.columns[name])}
    values = [known[cell] for cell in sheet.columns[name]]
    wrong = [row for row, value in enumerate(values) if value is None]
    if wrong:
        listed = shown([f"{sheet.places[row]} ({shortened(sheet.columns[name][row])!r})" for row in wrong])
        raise UsageError(
            f"{sheet.file}: graph column {name!r} has cells that are no numbers: {listed}; {EXPECTED}. Write a "
            "category as columns of 0 and 1, or leave the column out"
        )
    exact = np.array(values, dtype=np.float64)
    single = exact.astype(np.float32)
    defined = ~np.isnan(exact)
    check_rounding(sheet, name, exact[defined], single=single[defined])
    return single


def value_of(cell: str, name: str) -> tuple[float, str]:
    """(The number of a cell, NaN for a blank or wrong one; why it is wrong, or "").

    >>> value_of("7.4", "pH"), value_of("high", "dose")[1]
    ((7.4, ''), "column 'dose' is 'high'; expected finite numbers, or blank")
    """
    value = number(cell)
    return (math.nan, f"column {name!r} is {shortened(cell)!r}; {EXPECTED}") if value is None else (value, "")


def is_blank(cell: str) -> bool:
    """Whether a cell says that there is no number."""
    value = number(cell)
    return value is not None and math.isnan(value)


def check_columns(file: str, names: Sequence[str], columns: np.ndarray | None) -> None:
    """Raises UsageError for a column without two different values; columns (n, D) of the usable rows.

    Blank cells cost a warning that counts them.
    """
    for name, column in zip(names, () if columns is None else columns.T, strict=True):
        blank = np.isnan(column)
        values = np.unique(column[~blank])
        if len(values) < 2:
            what = f"is {values[0]:g} in every usable row" if len(values) else "is blank in every usable row"
            raise UsageError(
                f"{file}: graph column {name!r} {what}{' that is not blank' if len(values) and blank.any() else ''}; "
                "there is nothing to learn from it: leave it out, or name another column"
            )
        if blank.any():
            log.warning(
                "%s: graph column %r is blank in %d of %d usable rows; they are kept, and count as undefined",
                file,
                name,
                int(blank.sum()),
                len(column),
            )
