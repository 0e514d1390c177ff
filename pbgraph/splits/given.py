"""Splits that a column of the user's own table gives: the part itself, or a date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from pbgraph.errors import DataError, UsageError
from pbgraph.molecules import Molecules
from pbgraph.splits.base import TRAIN, VALID, Split, Splitter

PARTS = ("train", "valid", "test")
FORMS = {"YYYY": "-01-01", "YYYY-MM": "-01", "YYYY-MM-DD": ""}  # of a date, and what makes a day of it
SHOWN = 5  # wrong rows that an error names


def predefined(molecules: Molecules, seed: int | None = None) -> Split:
    """The part that the data set says: ``train``, ``valid`` or ``test`` in `Molecules.subset`.

    The three parts are sorted. Raises UsageError if given a seed or if the data set says none; DataError, naming the
    rows, for any other word.
    """
    PREDEFINED.refuse(seed)
    subset = _column(PREDEFINED, molecules.subset, "--split-column COL, a column that says train, valid or test")
    _check(molecules, subset, lambda cell: cell in PARTS, expected="train, valid or test")
    return PREDEFINED.parts(*([row for row, cell in enumerate(subset) if cell == name] for name in PARTS))


def time(molecules: Molecules, seed: int | None = None) -> Split:
    """The oldest 80 % for training, the next 10 % for validation, the newest for test, by `Molecules.date`.

    Molecules of one date stay together: those around a border are all in the newer part. The three parts are sorted.
    Raises UsageError if given a seed or if the data set has no dates; DataError, naming the rows, for a date that is
    not written as YYYY-MM-DD, or in all rows as YYYY-MM or YYYY.
    """
    TIME.refuse(seed)
    dates, n = np.array(_dates(molecules)), len(molecules)
    up_to = np.searchsorted(np.sort(dates), dates, side="right")  # molecules that are as old or older
    train, valid = up_to <= TRAIN * n, up_to <= (TRAIN + VALID) * n
    return TIME.parts(*(np.flatnonzero(part).tolist() for part in (train, valid & ~train, ~valid)))


def _dates(molecules: Molecules) -> tuple[str, ...]:
    """All dates, in one form, so that their order is that of their letters."""
    dates = _column(TIME, molecules.date, "--time-column COL, a column of dates such as 2019-05-31")
    form = next((form for form in FORMS if dates and _is_date(dates[0], form)), None)
    expected = f"a date as {form}, like the first row's" if form else "a date as YYYY-MM-DD, without a time of day"
    _check(molecules, dates, lambda cell: _is_date(cell, form or "YYYY-MM-DD"), expected=expected)
    return dates


def _is_date(cell: str, form: str) -> bool:
    day = cell + FORMS[form]
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


def _column(splitter: Splitter, column: tuple[str, ...] | None, how: str) -> tuple[str, ...]:
    if column is None:
        raise UsageError(
            f"split {splitter.name!r} goes by a column that this data set does not have; it is for your own table: "
            f"train my.csv --split {splitter.name} {how}. Or choose another split, see 'ls splits'"
        )
    return column


def _check(molecules: Molecules, cells: Sequence[str], right: Callable[[str], bool], *, expected: str) -> None:
    wrong = [i for i, cell in enumerate(cells) if not right(cell)]
    if wrong:
        named = "; ".join(f"row {molecules.rows[i]} ({molecules.mol_ids[i]}): {cells[i]!r}" for i in wrong[:SHOWN])
        more = f"; and {len(wrong) - SHOWN} rows more" if len(wrong) > SHOWN else ""
        raise DataError(f"{molecules.dataset}: expected {expected}, but {named}{more}; correct or remove these rows")


PREDEFINED = Splitter(
    name="predefined",
    version=1,
    seeded=False,
    split=predefined,
    source="the user's own table: a column that says train, valid or test",
    order_free=True,
)

TIME = Splitter(
    name="time",
    version=1,
    seeded=False,
    split=time,
    source="Sheridan 2013, doi:10.1021/ci400084k",
    groups=_dates,
    order_free=True,
)
