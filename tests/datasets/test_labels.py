"""One cell has one meaning, and what cannot be told is asked for."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from pbgraph.datasets.labels import kind_of, labels
from pbgraph.datasets.sheet import Sheet
from pbgraph.errors import DataError


def sheet(*cells: str) -> Sheet:
    return Sheet("my.csv", "", {"a": cells}, tuple(f"line {n}" for n in range(2, 2 + len(cells))))


def values(kind: str, *cells: str, missing: tuple[str, ...] = ()) -> list[float]:
    return labels(sheet(*cells), ["a"], kind=kind, missing=missing)[:, 0].tolist()


@pytest.mark.parametrize("cell", ["1", "1.0", "1.00", "+1", "1e0", "10e-1", "true", "Yes", "ACTIVE"])
@pytest.mark.parametrize("other", ["0", "0.00", "-0", "0e5", "no"])
def test_every_way_of_writing_a_class_is_one(cell, other):
    assert kind_of(sheet(cell, other), ["a"]) == "classification"
    assert values("classification", cell, other) == [1.0, 0.0]


@pytest.mark.parametrize("cells", [("-1", "1"), ("-1", "0", "1"), ("-1.0", "+1")])
def test_minus_one_and_one_may_be_classes_or_numbers_or_not_measured(cells, caplog):
    assert kind_of(sheet(*cells), ["a"]) == "regression"
    assert "column 'a' has the values -1" in caplog.text
    assert "--missing -1" in caplog.text
    assert "--kind classification" in caplog.text
    caplog.clear()
    assert kind_of(sheet(*cells), ["a"], ["-1"]) == "classification"
    assert caplog.text == ""
    assert np.isnan(values("classification", *cells, missing=("-1",))[0])


def test_minus_one_is_a_class_where_that_is_said_and_zero_is_none():
    assert values("classification", "-1", "1", "", "-1") == pytest.approx([0, 1, np.nan, 0], nan_ok=True)
    with pytest.raises(DataError, match=r"line 2 \('-1'\); expected 0/1.*if -1 means not measured, .*--missing -1$"):
        values("classification", "-1", "0", "1")


def test_other_numbers_are_measured_without_a_word(caplog):
    caplog.set_level(logging.INFO)
    assert kind_of(sheet("-1", "1", "0.5"), ["a"]) == "regression"
    assert caplog.text == ""


def test_where_no_cell_fits_both_kinds_are_named():
    with pytest.raises(DataError, match=r"expected 0/1, .* or blank, or with --kind regression numbers; the decimals"):
        values("classification", "1,5", "", "2,5")
    with pytest.raises(DataError, match=r"inactive/active or blank$"):
        values("classification", "1", ">2")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (("1,037", "2,100"), r"divide thousands or decimals: write 1037 or 1.037, whichever it is$"),
        (("1,037", "2,100,000"), r"write 1037 or 1.037, whichever it is$"),
        (("2,100,000",), r"write 2100000$"),
        (("1,037", "0,5"), r"the decimals have a comma: write 1.037 instead of 1,037$"),
        (("0,037",), r"the decimals have a comma: write 0.037 instead of 0,037$"),
        (
            ("\u22121.5",),
            r"'−' \(U\+2212 MINUS SIGN\) is not part of a number: write it in ASCII, a minus sign as '-'$",
        ),
        (("1.5\u200b",), r"U\+200B ZERO WIDTH SPACE"),
        (("1,000.5",), r"the commas of 1,000.5 divide thousands: write 1000.5$"),
        (("1e39",), r"1e39 is beyond what models read, 3.4e\+38: give the column in another unit$"),
        (("#N/A", "-", "2"), r"if they mean not measured, say so with --missing '#N/A' -$"),
        ((">10",), r"a qualified value such as '>10' is not a number$"),
        (("1_000",), "expected numbers or blank"),
        (("x" * 100_000,), r"^.{0,400}$"),
    ],
)
def test_advice_does_no_harm(cells, words):
    with pytest.raises(DataError, match=words):
        values("regression", "1.5", *cells)


@pytest.mark.parametrize(
    "cells", [("100000000.5", "100000002.9", "100000001.7"), ("1e-44", "1.3e-44"), ("5.0001e3", "5.0002e3")]
)
def test_numbers_that_single_precision_would_change_are_refused(cells):
    with pytest.raises(DataError, match=r"single precision, which changes these values by up to .* e\.g\. less"):
        values("regression", *cells)


@pytest.mark.parametrize("cells", [("1e8", "2e8"), ("1e-6", "2e-6"), ("7", "7"), ("16777216", "33554432"), ("1.5",)])
def test_numbers_that_it_holds_well_enough_are_read(cells):
    assert values("regression", *cells) == pytest.approx([float(cell) for cell in cells])
