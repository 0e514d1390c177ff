"""Numbers that a user's table has beside its structures."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from own_tables import with_conditions, write
from pbgraph.datasets.load import load
from pbgraph.datasets.user.graph_columns import is_blank, value_of
from pbgraph.datasets.user.table import UserTable, describe, to_dataset
from pbgraph.errors import DataError, UsageError


def task_of(path, columns=("pH", "dose"), **changes) -> UserTable:
    return describe(path, **{"smiles": "SMILES", "targets": ["toxic"], "graph_columns": columns, **changes})


def test_they_come_with_the_molecules_in_the_order_of_their_names(tmp_path):
    path = write(tmp_path, with_conditions())
    molecules = load(to_dataset(task_of(path)))
    assert molecules.columns.dtype == np.float32
    np.testing.assert_array_equal(molecules.columns[:3], np.array([[4.5, 0], [7.4, 1], [4.5, 2]], dtype=np.float32))
    swapped = load(to_dataset(task_of(path, ("dose", "pH"))))
    np.testing.assert_array_equal(swapped.columns, molecules.columns[:, ::-1])


def test_they_are_part_of_the_task_and_of_its_command(tmp_path):
    path = write(tmp_path, with_conditions())
    with_both, with_one, without = (task_of(path, columns) for columns in (("pH", "dose"), ("pH",), ()))
    assert len({table.name for table in (with_both, with_one, without)}) == 3
    assert "--graph-columns pH dose" in with_both.command
    assert "--graph-columns" not in without.command
    assert to_dataset(with_both).graph_columns == ("pH", "dose")
    assert load(to_dataset(without)).columns is None


def test_a_table_without_them_has_the_name_that_it_had_before_there_were_any(tmp_path):
    path = write(tmp_path)
    assert describe(path, smiles="SMILES", targets=["toxic", "even"], id="name").name == "my-0701268e"


def test_a_row_of_a_structure_that_cannot_be_used_takes_its_numbers_along(tmp_path):
    table = with_conditions()
    table[2][0] = "C1CC"
    molecules = load(to_dataset(task_of(write(tmp_path, table))))
    assert molecules.columns[:2, 1].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("ph", "said"),
    [
        (
            ["7,4"],
            r"graph column 'pH' has cells that are no numbers: line 2 \('7,4'\); expected finite numbers, or blank",
        ),
        (["low", "high", "4"], r"line 2 \('low'\), line 3 \('high'\); .* category as columns of 0 and 1"),
        (["inf"], r"line 2 \('inf'\)"),
        (["-Infinity"], r"line 2 \('-Infinity'\)"),
        (["1e999"], r"line 2 \('1e999'\)"),
        (["4.5"] * 120, "graph column 'pH' is 4.5 in every usable row; there is nothing to learn from it"),
        (["4.5", "NaN", ""] * 40, "'pH' is 4.5 in every usable row that is not blank"),
        (["nan"] * 120, "'pH' is blank in every usable row"),
        ([""] * 120, "'pH' is blank in every usable row"),
    ],
)
def test_what_is_no_column_of_numbers_is_refused_in_one_line(ph, said, tmp_path):
    path = write(tmp_path, with_conditions(ph))
    with pytest.raises(UsageError, match=said) as raised:
        load(to_dataset(task_of(path)))
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_what_varies_in_unusable_rows_alone_is_constant(tmp_path):
    table = with_conditions(["7"] + ["4.5"] * 119)
    table[1][0] = "no structure"
    with pytest.raises(UsageError, match=r"4\.5 in every usable row;"):
        load(to_dataset(task_of(write(tmp_path, table))))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("ph",), "unknown column of my.csv 'ph'; did you mean 'pH'"),
        (("toxic",), "'toxic' is asked for twice"),
        (("SMILES",), "'SMILES' is asked for twice"),
        (("pH", "pH"), "'pH' is asked for twice"),
        (("pH", " pH "), "'pH' is asked for twice"),
    ],
)
def test_columns_that_cannot_be_read_so_are_named(columns, said, tmp_path):
    path = write(tmp_path, with_conditions())
    with pytest.raises(UsageError, match=said):
        task_of(path, columns)


def test_numbers_that_single_precision_cannot_tell_apart_are_refused(tmp_path):
    path = write(tmp_path, with_conditions([f"{1_700_000_000 + row}" for row in range(120)]))
    with pytest.raises(DataError, match="column 'pH': models are trained in single precision"):
        load(to_dataset(task_of(path)))


def test_blank_cells_are_kept_and_counted(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    molecules = load(to_dataset(task_of(write(tmp_path, with_conditions()))))
    assert np.isnan(molecules.columns).sum() == 1
    assert "my.csv: graph column 'dose' is blank in 1 of 120 usable rows" in caplog.text
    assert "'pH'" not in caplog.text


def test_rows_of_one_molecule_under_different_conditions_contradict_nothing(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    table = with_conditions()
    first, second = table[1], table[2]
    second[0], second[1], first[1] = first[0], "1", "0"
    assert len(load(to_dataset(task_of(write(tmp_path, table))))) == 120
    assert (
        "11 molecules (by canonical SMILES) occur in more than one row, 11 of them with different values of pH, dose"
        in (caplog.text)
    )
    assert "different labels" not in caplog.text
    caplog.clear()
    second[5:] = first[5:]
    assert len(load(to_dataset(task_of(write(tmp_path, table))))) == 120
    assert "different labels in column 'toxic': line 2/line 3" in caplog.text
    assert "11 molecules (by canonical SMILES) occur in more than one row, 10 of them with" in caplog.text


@given(st.text(max_size=12))
def test_a_cell_is_a_number_blank_or_wrong(cell):
    value, why = value_of(cell, "pH")
    assert np.isnan(value) == (bool(why) or is_blank(cell))
    assert not (why and is_blank(cell))
    assert np.isnan(value) or abs(value) < 1e39
