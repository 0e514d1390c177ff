"""Splits that the user's own table gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from few_molecules import molecules
from pbgraph.errors import DataError, UsageError
from pbgraph.splits import PREDEFINED, TIME, Splitter

TEN = ("C",) * 10
YEARS = tuple(str(2000 + i) for i in range(10))


def test_predefined_parts_are_the_columns() -> None:
    split = PREDEFINED.split(molecules(TEN, subset=("test", "valid", *["train"] * 7, "valid")), None)
    assert [part.tolist() for part in (split.train, split.valid, split.test)] == [[*range(2, 9)], [1, 9], [0]]


def test_oldest_for_training_newest_for_test() -> None:
    split = TIME.split(molecules(TEN, date=YEARS[::-1]), None)
    assert [part.tolist() for part in (split.train, split.valid, split.test)] == [[*range(2, 10)], [1], [0]]


@given(st.lists(st.integers(1990, 2030).map(str), min_size=10, max_size=40))
def test_no_date_is_in_two_parts_and_time_goes_forward(dates: list[str]) -> None:
    table = molecules(("C",) * len(dates), date=tuple(dates))
    try:
        split = TIME.split(table, None)
    except UsageError as error:
        assert "leaves no molecule" in str(error)  # noqa: PT017
        return
    train, valid, test = (np.array(dates)[part] for part in (split.train, split.valid, split.test))
    assert max(train) < min(valid) <= max(valid) < min(test)
    assert len(train) <= 0.8 * len(dates)
    assert len(train) + len(valid) <= 0.9 * len(dates)


def test_a_date_around_a_border_goes_to_the_newer_part() -> None:
    dates = (*YEARS[:6], "2008", "2008", "2008", "2009")
    split = TIME.split(molecules(TEN, date=dates), None)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [6, 3, 1]


@pytest.mark.parametrize("form", ["2019", "2019-05", "2019-05-31"])
def test_dates_of_one_form_are_read(form: str) -> None:
    dates = tuple(year + form[4:] for year in YEARS)
    assert TIME.split(molecules(TEN, date=dates), None).test.tolist() == [9]


@pytest.mark.parametrize(
    "wrong", ["", "2019-5-3", "31.05.2019", "20190531", "2019-W22-5", "2019-02-30", "2019", " 2019-01-01"]
)
def test_a_date_in_another_form_is_named_with_its_row(wrong: str) -> None:
    dates = [f"{year}-01-01" for year in YEARS]
    dates[7] = wrong
    with pytest.raises(DataError) as error:
        TIME.split(molecules(TEN, date=tuple(dates)), None)
    assert f"expected a date as YYYY-MM-DD, like the first row's, but row 7 (M7): {wrong!r}; correct" in str(
        error.value
    )


@pytest.mark.parametrize("end", ["-01-01 09:30:00", "/01/01"])
def test_where_no_row_is_a_date_none_is_the_example(end: str) -> None:
    with pytest.raises(DataError, match="expected a date as YYYY-MM-DD, without a time of day, but row 0"):
        TIME.split(molecules(TEN, date=tuple(year + end for year in YEARS)), None)


def test_other_words_are_named_with_their_rows() -> None:
    part = ("train",) * 3 + ("training", "", "Test") + ("dev",) * 4
    with pytest.raises(DataError) as error:
        PREDEFINED.split(molecules(TEN, subset=part), None)
    said = str(error.value)
    assert "expected train, valid or test, but row 3 (M3): 'training'; row 4 (M4): ''; row 5 (M5): 'Test'" in said
    assert "and 2 rows more" in said


@pytest.mark.parametrize(("splitter", "option"), [(PREDEFINED, "--split-column COL"), (TIME, "--time-column COL")])
def test_a_data_set_without_the_column_is_told_what_to_do(splitter: Splitter, option: str) -> None:
    with pytest.raises(UsageError, match=f"train my.csv --split {splitter.name} {option}"):
        splitter.split(molecules(TEN), None)
