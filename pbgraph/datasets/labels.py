"""Cells of label columns -> numbers; what they measure is found from them.

Blank, NA, N/A, NaN, null and none, in any case, mean not measured, and so does every word that `--missing` names.
Classes are false, no, inactive and true, yes, active, in any case, and every way of writing the numbers 0 and 1; in a
column of -1 and 1 alone, if it is said that it holds classes, -1 is the class 0.
"""

from __future__ import annotations

import logging
import math
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import numpy as np

from pbgraph.datasets.sheet import Sheet, shown
from pbgraph.errors import DataError, UsageError, unknown_name
from pbgraph.metrics import Kind
from pbgraph.structures.smiles import character, shortened

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("classification", "regression")
BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none"})
CLASSES = {**dict.fromkeys(("false", "no", "inactive"), 0.0), **dict.fromkeys(("true", "yes", "active"), 1.0)}
LARGEST = float(np.finfo(np.float32).max)
MOST_WORDS, LONGEST_WORD = 3, 20  # of a column, that a message asks about; characters
MOST_ROUNDING = 0.001  # standard deviations of a column, by which single precision may change a value
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")
WITH_POINT = re.compile(THOUSANDS.pattern + r"\.[0-9]+")
EXPECTED = {
    "classification": "0/1, false/true, no/yes, inactive/active or blank",
    "regression": "numbers or blank; a qualified value such as '>10' is not a number",
}


def kind_named(name: str) -> Kind:
    """The kind called `name`; raises UsageError with the nearest name if there is none."""
    for kind in KINDS:
        if kind == name:
            return kind
    raise unknown_name("kind", name, KINDS)


def kind_of(sheet: Sheet, targets: Sequence[str], missing: Collection[str] = ()) -> Kind:
    """What the label columns hold: regression if a number other than 0 and 1 occurs.

    missing  cells that mean not measured, beside BLANKS
    A column of regression whose only values are among -1, 0 and 1 costs a warning. Raises UsageError if they differ.
    """
    kinds: dict[str, Kind] = {name: _kind(name, sheet.columns[name], missing) for name in targets}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise UsageError(
            f"the targets are of both kinds: {listed}; train them apart, or say --kind regression to treat 0 and 1 as "
            "numbers"
        )
    return kinds[targets[0]]


def _kind(name: str, cells: Sequence[str], missing: Collection[str]) -> Kind:
    numbers = (number(cell, missing) for cell in set(cells))
    values = {value for value in numbers if value is not None and not math.isnan(value)}
    if values <= {0.0, 1.0}:
        return "classification"
    if values <= {-1.0, 0.0, 1.0}:
        listed = ", ".join(f"{value:g}" for value in sorted(values))
        log.warning(
            "column %r has the values %s alone, and is read as measured quantities (regression): if -1 means not "
            "measured, say so with --missing -1; if -1 and 1 are classes, with --kind classification",
            name,
            listed,
        )
    return "regression"


def number(cell: str, missing: Collection[str] = ()) -> float | None:
    """A number that single precision can hold; NaN for a blank cell; None for anything else.

    >>> number("-1.5e3"), number("NA"), number(">10"), number("1e99")
    (-1500.0, nan, None, None)
    """
    cell = cell.strip()
    if cell.lower() in BLANKS or cell in missing:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    if any(value == other for other in map(number, missing)):
        return math.nan
    return value if cell.isascii() and "_" not in cell and abs(value) <= LARGEST else None


def class_of(cell: str, missing: Collection[str] = ()) -> float | None:
    """0.0 or 1.0; NaN for a blank cell; None for anything else.

    >>> class_of("Yes"), class_of("inactive"), class_of("+1.00"), class_of("2")
    (1.0, 0.0, 1.0, None)
    """
    word, value = cell.strip().lower(), number(cell, missing)
    if value is None:
        return CLASSES.get(word)
    return value if math.isnan(value) or value in (0.0, 1.0) else None


def labels(sheet: Sheet, targets: Sequence[str], *, kind: Kind, missing: Collection[str] = ()) -> np.ndarray:
    """(n, T) float32, NaN = not measured.

    Raises DataError, naming the rows, for cells that are not of this kind; or if single precision, in which models are
    trained, rounds the numbers of a column by more than MOST_ROUNDING of their standard deviation.
    """
    y, unfit = fitting_labels(sheet, targets, kind, missing=missing)
    for name, rows in unfit.items():
        raise _does_not_fit(sheet, name, kind, rows=rows)
    rounded = y.astype(np.float32)
    if kind == "regression":
        for name, exact, single in zip(targets, y.T, rounded.T, strict=True):
            check_rounding(sheet, name, exact[~np.isnan(exact)], single=single[~np.isnan(exact)])
    return rounded


def fitting_labels(
    sheet: Sheet, targets: Sequence[str], kind: Kind, *, missing: Collection[str] = ()
) -> tuple[np.ndarray, dict[str, list[int]]]:
    """(n, T) float64, NaN = not measured or not of this kind; and target -> rows whose cells are not of this kind."""
    y = np.empty((len(sheet.places), len(targets)))
    unfit: dict[str, list[int]] = {}
    for column, name in zip(y.T, targets, strict=True):
        cells = sheet.columns[name]
        known = _known(cells, kind, missing)
        column[:] = [known[cell] for cell in cells]  # None becomes NaN
        if None in known.values():
            unfit[name] = [row for row, cell in enumerate(cells) if known[cell] is None]
    return y, unfit


def check_rounding(sheet: Sheet, name: str, exact: np.ndarray, *, single: np.ndarray) -> None:
    """Raises DataError if single precision changes the numbers of a column, (n,) without NaN, by too much."""
    if len(exact) < 2:
        return
    off, sd = float(np.abs(exact - single).max()), float(exact.std())
    if off > MOST_ROUNDING * sd and len(np.unique(exact)) > 1:
        middle = float(f"{np.median(exact):.3g}")
        raise DataError(
            f"{sheet.file}: column {name!r}: models are trained in single precision, which changes these values by up "
            f"to {off:.2g}, and their standard deviation is {sd:.3g}; give the column in another unit or from another "
            f"zero, e.g. less {middle:.10g}"
        )


def _does_not_fit(sheet: Sheet, name: str, kind: Kind, *, rows: Sequence[int]) -> DataError:
    cells = [sheet.columns[name][row] for row in rows]
    listed = shown([f"{sheet.places[row]} ({shortened(cell)!r})" for row, cell in zip(rows, cells, strict=True)])
    none_fits = len(rows) == sum(bool(cell.strip()) for cell in sheet.columns[name])
    other = ", or with --kind regression numbers" if kind == "classification" and none_fits else ""
    return DataError(
        f"{sheet.file}: column {name!r} is read for {kind}, but some cells do not fit: {listed}; expected "
        f"{EXPECTED[kind]}{other}{_advice(cells)}"
    )


def _known(cells: Sequence[str], kind: Kind, missing: Collection[str]) -> Mapping[str, float | None]:
    """What each cell of a column says."""
    numbers = {cell: number(cell, missing) for cell in set(cells)}
    if kind == "regression":
        return numbers
    if {value for value in numbers.values() if value is None or not math.isnan(value)} == {-1.0, 1.0}:
        return {cell: 0.0 if value == -1.0 else value for cell, value in numbers.items()}
    return {cell: class_of(cell, missing) for cell in numbers}


def _advice(wrong: Sequence[str]) -> str:
    """What to do about cells that do not fit: about the first of a kind that is known; "" if there is none."""
    strange = next((one for cell in wrong for one in cell if not " " <= one <= "~"), None)
    if strange is not None:
        return f"; {character(strange)} is not part of a number: write it in ASCII, a minus sign as '-'"
    if any(number(cell) == -1.0 for cell in wrong):
        return "; if -1 means not measured, say so with --missing -1"
    return (
        _about_commas([cell for cell in wrong if "," in cell]) or _about_size(wrong) or _about_words(sorted(set(wrong)))
    )


def _about_size(cells: Sequence[str]) -> str:
    """What to do about a number that single precision cannot hold."""
    for cell in cells:
        with suppress(ValueError):
            if abs(float(cell)) > LARGEST:
                return f"; {shortened(cell)} is beyond what models read, {LARGEST:.1e}: give the column in another unit"
    return ""


def _about_words(cells: Sequence[str]) -> str:
    """What to do about words and signs that may mean that nothing was measured; numbers with a sign are none."""
    short = [cell for cell in cells if len(cell) <= LONGEST_WORD and cell.strip()]
    words = [cell for cell in short if not any(one.isdigit() for one in cell)][:MOST_WORDS]
    return f"; if they mean not measured, say so with --missing {shlex.join(words)}" if words else ""


def _about_commas(cells: Sequence[str]) -> str:
    """What the commas of numbers mean, if that can be told: a cell such as 1,037 alone does not say."""
    if cells and all(THOUSANDS.fullmatch(cell) for cell in cells):
        plain, pointed = cells[0].replace(",", ""), cells[0].replace(",", ".", 1)
        return f"; the comma of {cells[0]} can divide thousands or decimals: write {plain}" + (
            f" or {pointed}, whichever it is" if cells[0].count(",") == 1 else ""
        )
    if both := next((cell for cell in cells if WITH_POINT.fullmatch(cell)), None):
        return f"; the commas of {both} divide thousands: write {both.replace(',', '')}"
    found = next((cell for cell in cells if number(cell.replace(",", ".")) is not None), None)
    return f"; the decimals have a comma: write {found.replace(',', '.')} instead of {found}" if found else ""
