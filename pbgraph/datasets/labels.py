"""Cells of a user's label columns -> numbers; what they measure is found from them.

Blank, NA, N/A, NaN, null and none, in any case, mean not measured. Classes are 0, 0.0, false, no, inactive and 1, 1.0,
true, yes, active, in any case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pbgraph.datasets.sheet import Sheet, shown
from pbgraph.errors import DataError, UsageError
from pbgraph.metrics import Kind

KINDS: tuple[Kind, ...] = ("classification", "regression")
BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none"})
CLASSES = {
    **dict.fromkeys(("0", "0.0", "false", "no", "inactive"), 0.0),
    **dict.fromkeys(("1", "1.0", "true", "yes", "active"), 1.0),
}
LARGEST = float(np.finfo(np.float32).max)
EXPECTED = {
    "classification": "0/1, false/true, no/yes, inactive/active or blank",
    "regression": "numbers or blank; a qualified value such as '>10' is not a number",
}


def kind_of(sheet: Sheet, targets: Sequence[str]) -> Kind:
    """What the label columns hold: regression if a number other than 0 and 1 occurs.

    Raises UsageError if they differ.
    """
    kinds: dict[str, Kind] = {name: _kind(sheet.columns[name]) for name in targets}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise UsageError(
            f"the targets are of both kinds: {listed}; train them apart, or say --kind regression to treat 0 and 1 as "
            "numbers"
        )
    return kinds[targets[0]]


def _kind(cells: Sequence[str]) -> Kind:
    numbers = (number(cell) for cell in set(cells))
    other = any(value is not None and not math.isnan(value) and value not in (0.0, 1.0) for value in numbers)
    return "regression" if other else "classification"


def number(cell: str) -> float | None:
    """A number that single precision can hold; NaN for a blank cell; None for anything else.

    >>> number("-1.5e3"), number("NA"), number(">10"), number("1e99")
    (-1500.0, nan, None, None)
    """
    if cell.lower() in BLANKS:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if "_" not in cell and abs(value) <= LARGEST else None


def class_of(cell: str) -> float | None:
    """0.0 or 1.0; NaN for a blank cell; None for anything else.

    >>> class_of("Yes"), class_of("inactive"), class_of("2")
    (1.0, 0.0, None)
    """
    word = cell.lower()
    return math.nan if word in BLANKS else CLASSES.get(word)


def labels(sheet: Sheet, targets: Sequence[str], kind: str) -> np.ndarray:
    """(n, T) float32, NaN = not measured. Raises DataError, naming the rows, for cells that are not of this kind."""
    return np.stack([_column(sheet, name, kind) for name in targets], axis=1).astype(np.float32)


def _column(sheet: Sheet, name: str, kind: str) -> np.ndarray:
    cells = sheet.columns[name]
    known: Mapping[str, float | None] = {
        cell: class_of(cell) if kind == "classification" else number(cell) for cell in set(cells)
    }
    wrong = [f"{place} ({cell!r})" for place, cell in zip(sheet.places, cells, strict=True) if known[cell] is None]
    if wrong:
        raise DataError(
            f"{sheet.file}: column {name!r} is read for {kind}, but some cells do not fit: {shown(wrong)}; expected "
            f"{EXPECTED[kind]}{_about_commas(cells)}"
        )
    return np.array([known[cell] for cell in cells], dtype=np.float64)


def _about_commas(cells: Sequence[str]) -> str:
    """What to do about the first cell that would be a number if its comma were a point; "" if there is none."""
    pointed = ((cell, cell.replace(",", ".")) for cell in cells if "," in cell)
    found = next((pair for pair in pointed if number(pair[1]) is not None), None)
    return f"; the decimals have a comma: write {found[1]} instead of {found[0]}" if found else ""
