"""A table of the user's: what is read of it, and a sentence for everything that can be wrong with it."""

from __future__ import annotations

import gzip
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from own_tables import HEADER, lines, text, with_cell, with_column, write
from pbgraph.datasets import source
from pbgraph.datasets.labels import kind_of
from pbgraph.datasets.load import load
from pbgraph.datasets.sheet import Sheet
from pbgraph.datasets.user.table import describe, to_dataset
from pbgraph.errors import DataError, UsageError
from pbgraph.splits import SPLITS
from pbgraph.structures.smiles import MAX_ATOMS


def task_of(path, **changes):
    return describe(path, **{"smiles": "SMILES", "targets": ["toxic", "even"], **changes})


def molecules(path, **changes):
    return load(to_dataset(task_of(path, **changes)))


def test_a_table_is_read_as_it_stands(tmp_path):
    read = molecules(write(tmp_path), id="name", split_column="even", targets=["toxic"], date="logP")
    table = np.array(lines()[1:])
    assert len(read) == 120
    assert read.smiles == tuple(table[:, 0])
    assert read.mol_ids == tuple(table[:, 3])
    assert read.y[:, 0].tolist() == [float(cell) for cell in table[:, 1]]
    assert (read.subset, read.date) == (tuple(table[:, 2]), tuple(table[:, 4]))
    both = molecules(write(tmp_path))
    assert np.isnan(both.y[:, 1]).sum() == 18
    assert both.mol_ids[0] == "line 2"
    assert (both.subset, both.date) == (None, None)


def test_the_name_tells_contents_columns_and_kinds_apart(tmp_path):
    path = write(tmp_path, name="My assays (2024).csv")
    names = [
        task_of(path).name,
        task_of(path, id="name").name,
        task_of(path, targets=["toxic"]).name,
        task_of(path, kind="regression").name,
        task_of(write(tmp_path, with_cell(1, "toxic", "1"), path.name)).name,
    ]
    assert len(set(names)) == 5
    assert all(name.startswith("my-assays-2024-") for name in names)
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert task_of(write(other, name="my_assays-2024.csv")).name == names[0]


def encoded(form: str) -> bytes:
    table = lines()
    table[1][3] = "Säure"
    match form:
        case "bom":
            return text(table).encode("utf-8-sig")
        case "latin-1":
            return text(table).encode("latin-1")
        case "utf-16":
            return text(table).encode("utf-16")
        case "crlf":
            return text(table, end="\r\n").encode()
        case "cr":
            return text(table, end="\r").encode()
        case "semicolons":
            return text(table, separator=";").encode()
        case "tabs":
            return text(table, separator="\t").encode()
        case "gzip":
            return gzip.compress(text(table).encode())
        case "spaces":
            return text([[f" {cell} " for cell in row] for row in table]).encode()
        case "blank lines":
            return ("\n \n" + text(table).replace("\n", "\n\n") + "  \n").encode()
    raise AssertionError(form)


@pytest.mark.parametrize(
    "form",
    ["bom", "latin-1", "utf-16", "crlf", "cr", "semicolons", "tabs", "gzip", "spaces", "blank lines"],
)
def test_every_way_of_writing_a_table_is_read_alike(form, tmp_path, caplog):
    path = tmp_path / "my.csv"
    path.write_bytes(encoded(form))
    read, usual = molecules(path, id="name"), molecules(write(tmp_path), id="name")
    assert read.mol_ids == ("Säure", *usual.mol_ids[1:])
    assert read.smiles == usual.smiles
    assert np.array_equal(read.y, usual.y, equal_nan=True)
    assert ("read as Windows-1252" in caplog.text) == (form == "latin-1")


def test_parquet_is_read_as_csv_is(tmp_path):
    table = np.array(lines()[1:], dtype=object)
    columns = {
        "SMILES": pa.array(table[:, 0]),
        "toxic": pa.array([cell == "1" for cell in table[:, 1]]),
        "even": pa.array([None if cell == "" else float(cell) for cell in table[:, 2]]),
        "name": pa.array(table[:, 3]).dictionary_encode(),
        "logP": pa.array([float(cell) for cell in table[:, 4]]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "my.parquet")
    read, usual = molecules(tmp_path / "my.parquet", id="name"), molecules(write(tmp_path), id="name")
    assert (read.smiles, read.mol_ids) == (usual.smiles, usual.mol_ids)
    assert np.array_equal(read.y, usual.y, equal_nan=True)
    assert task_of(tmp_path / "my.parquet", targets=["logP"]).kind == "regression"
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "my.parquet").read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged Parquet"):
        task_of(tmp_path / "cut.parquet")


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns")], ids=str)
def test_the_days_of_parquet_are_those_of_csv(kind, tmp_path):
    days = [date(1990, 1, 1) + timedelta(days=20 * row) for row in range(120)]
    columns = {name: pa.array(cells) for name, *cells in zip(*lines(), strict=True)}
    parquet.write_table(pa.table({**columns, "logP": pa.array(days).cast(kind)}), tmp_path / "my.parquet")
    read = molecules(tmp_path / "my.parquet", date="logP")
    assert read.date == tuple(map(str, days))
    assert len(SPLITS.get("time").split(read, None).test) == 12


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0", "1", "", "NA"], "classification"),
        (["0.0", "1.0"], "classification"),
        (["Yes", "no", "n/a"], "classification"),
        (["TRUE", "False"], "classification"),
        (["active", "Inactive"], "classification"),
        (["1", "2"], "regression"),
        (["0.5", "nan"], "regression"),
        (["-1e3", "1"], "regression"),
    ],
)
def test_the_kind_is_found_from_the_values(cells, kind):
    assert kind_of(Sheet("f", "", {"a": tuple(cells)}, ()), ["a"]) == kind


def test_the_kind_can_be_said(tmp_path):
    assert task_of(write(tmp_path), kind="regression").kind == "regression"
    with pytest.raises(UsageError, match="did you mean 'regression'"):
        task_of(write(tmp_path), kind="regresion")
    with pytest.raises(UsageError, match="toxic \\(classification\\), logP \\(regression\\); train them apart"):
        task_of(write(tmp_path), targets=["toxic", "logP"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smiles": "smiles"}, "unknown column of my.csv 'smiles'; did you mean 'SMILES'"),
        ({"targets": ["toxc"]}, "did you mean 'toxic'"),
        ({"id": "nam"}, "did you mean 'name'"),
        ({"targets": ["SMILES"]}, "column 'SMILES' is asked for twice"),
        ({"targets": ["toxic", "toxic"]}, "column 'toxic' is asked for twice"),
        ({"id": "toxic"}, "column 'toxic' is asked for twice"),
    ],
)
def test_wrong_columns_are_wrong_usage(changes, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        task_of(write(tmp_path), **changes)


def test_a_folder_is_wrong_usage_and_names_a_table_in_it(tmp_path):
    write(tmp_path)
    with pytest.raises(UsageError, match=r"is a folder; name the file in it, e.g. .*my\.csv"):
        task_of(tmp_path)


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"there is no file .*mine\.csv; did you mean .*my\.csv"):
        task_of(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("target", "words"),
    [("nowhere.csv", r"there is no file .*my\.csv: it is a link to nowhere\.csv, which is not there"),
     ("my.csv", r"my\.csv cannot be read \(Too many levels of symbolic links\)")],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_said_to_be_one(target, words, tmp_path):
    (tmp_path / "my.csv").symlink_to(target)
    with pytest.raises(DataError, match=words):
        task_of(tmp_path / "my.csv")


def test_a_name_that_no_file_can_have_is_one_of_data(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read .File name too long.; name another file"):
        task_of(tmp_path / ("n" * 300))
    with pytest.raises(DataError, match="there is no file"):
        task_of(write(tmp_path) / "my.csv")


def test_what_can_be_read_once_alone_is_no_table_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "my.csv")
    for path in (tmp_path / "my.csv", Path("/dev/null"), Path("/dev/stdin")):
        with pytest.raises(UsageError, match=r"is a pipe or a device, which can be read once; .* save it as a file"):
            task_of(path)


@pytest.mark.parametrize("header", ["x" * 2**20, ",".join(f"column {n}" for n in range(10_000))])
def test_a_header_of_any_length_makes_no_long_message(header, tmp_path):
    path = tmp_path / "my.csv"
    path.write_text(header)
    with pytest.raises(UsageError, match=r"unknown column of my.csv 'SMILES' .*\.\.\., 1.* in all") as raised:
        task_of(path)
    assert len(str(raised.value)) < 2_200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "my.csv is empty"),
        (b"\n\n", "my.csv is empty"),
        (b"SMILES,toxic,even\n", "has a header and no rows under it"),
        (b"SMILES,toxic,even,toxic\nC,1,1,0\n", "2 columns are called 'toxic'; rename all but one"),
        (
            b"SMILES,toxic,even\nC,1\nCC,1,1\nCCC,0,1,1\n",
            "rows without the 3 cells that the header has: line 2, line 4",
        ),
        (b'SMILES,toxic,even\nC,1,"1\n', "line 2: this is not CSV"),
        (b"PK\x03\x04\x14\x00", "Excel workbook"),
        (b"SMILES,toxic,even\nC\0,1,1\n", "not a table in text"),
        (b"\x1f\x8b\x08broken", "damaged gzip"),
        (b"SMILES,toxic,even\nhello,1,1\nworld,0,0\n", "none of the 2 cells of column 'SMILES' is a SMILES"),
    ],
)
def test_what_is_no_table_says_what_it_is(content, words, tmp_path):
    path = tmp_path / "my.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        molecules(path)


def test_a_gzip_bomb_is_stopped_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_BYTES", 2**20)
    path = tmp_path / "my.csv.gz"
    path.write_bytes(gzip.compress(b"0" * (2**20 + 1)))
    with pytest.raises(DataError, match="unpacked, has more than 1 MiB, the most that a table may have"):
        task_of(path)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            with_cell(4, "toxic", "maybe"),
            r"'toxic' is read for classification, but some cells do not fit: line 5 \('maybe'",
        ),
        (with_column("even", [""] * 120), "column 'even' has no label in any usable row; name another column"),
        (
            with_column("toxic", ["1"] * 120),
            "all 120 labels of column 'toxic' are 1; there is nothing to learn without both classes: add molecules",
        ),
        (with_cell(7, "name", "M0"), r"names are blank or repeated: line 2 \('M0'\), line 8 \('M0'\)"),
        (with_cell(7, "name", ""), r"names are blank or repeated: line 8 \(''\)"),
    ],
)
def test_bad_labels_and_names_are_found_by_their_lines(table, words, tmp_path):
    with pytest.raises(DataError, match=words):
        molecules(write(tmp_path, table), id="name")


def test_text_among_numbers_names_the_rows(tmp_path):
    table = with_column("logP", ["1.5", ">10", "2,5", "inf", "1e60", "1_0", "n.d."])
    with pytest.raises(
        DataError, match=r"'logP' is read for regr.*line 3 \('>10'\), line 4 .* and 1 more; expected num"
    ):
        molecules(write(tmp_path, table), targets=["logP"])


@pytest.mark.parametrize("kind", [None, "regression"])
def test_decimal_commas_are_recognised(kind, tmp_path):
    table = with_column("logP", [f"{row},5" for row in range(120)])
    with pytest.raises(DataError, match=r"line 2 \('0,5'\).*; the decimals have a comma: write 0.5 instead of 0,5$"):
        molecules(write(tmp_path, table), targets=["logP"], kind=kind)


def test_structures_that_cannot_be_used_are_left_out_and_named(tmp_path, caplog):
    bad = ["C1CC", "", "CCO ethanol", "C" * 5000, "CN(C)(C)(C)C"]
    read = molecules(write(tmp_path, with_column("SMILES", bad)))
    assert [(row.row, row.mol_id) for row in read.rejected] == [(i, f"line {i + 2}") for i in range(5)]
    reasons = [row.reason for row in read.rejected]
    assert reasons[:2] == ["not a valid SMILES", "blank SMILES"]
    assert reasons[2] == "text after the SMILES: 'ethanol'"
    assert reasons[3] == f"5000 atoms, more than the {MAX_ATOMS} that a molecule may have here"
    assert "valence" in reasons[4]
    assert "5 of 120 rows left out, counted from 0 below the header: row 0 (line 2): not a valid SMILES;" in caplog.text
    assert read.rows.tolist() == list(range(5, 120))


def test_rows_of_one_molecule_are_kept_and_contradictions_are_said(tmp_path, caplog):
    table = lines()
    for row in table[2:4]:
        row[:3] = ["OC", "1", "0"]
    table[5][:3] = ["C-O", "0", "0"]
    read = molecules(write(tmp_path, table))
    assert len(read) == 120
    said = caplog.text
    assert "occur in more than one row" in said
    assert "of them have different labels in column 'toxic': line 2/line 3/line 4/line 6" in said
    assert "Every row is kept" in said


@pytest.mark.parametrize("rows", [1_200, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_rows_with_one_in_a_hundred_broken(rows, tmp_path, caplog):
    smiles = [f"{'C' * (1 + i % 9)}C(=O)N{'C' * (1 + i // 9 % 11)}{'O' if i % 2 else 'N'}" for i in range(rows)]
    path = tmp_path / "my.csv"
    table = [f"{'C1CC' if i % 100 == 0 else text},{i % 2},{(i // 2) % 2},M{i}" for i, text in enumerate(smiles)]
    path.write_text("\n".join([",".join(HEADER[:4]), *table]) + "\n")
    read = molecules(path, id="name")
    broken = rows // 100
    assert (len(read), len(read.rejected)) == (rows - broken, broken)
    message = next(record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert f"and {broken - 2} more, which every record lists" in message
    assert len(message) < 300


def test_a_changed_or_vanished_file_is_noticed(tmp_path):
    path = write(tmp_path)
    dataset = to_dataset(task_of(path))
    path.write_text(text(with_cell(1, "toxic", "1")))
    with pytest.raises(DataError, match=r"has changed since task my-.* was described: sha256 of its content is"):
        load(dataset)
    path.unlink()
    with pytest.raises(DataError, match=r"is not at .*; put it there, name with --data DIR the folder that holds it"):
        load(dataset)
    (tmp_path / "moved").mkdir()
    write(tmp_path / "moved")
    assert len(load(dataset, folder=tmp_path / "moved")) == 120


@pytest.mark.parametrize(("factor", "warned"), [(1e9, True), (2.0, False)])
def test_targets_without_a_common_scale_are_named(tmp_path, caplog, factor, warned):
    """Their errors are averaged in their own units."""
    table = lines()
    rows = [[*table[0], "nM"], *([*row, f"{factor * float(row[4]):.6g}"] for row in table[1:])]
    load(to_dataset(describe(write(tmp_path, rows), smiles="SMILES", targets=["logP", "nM"], id="name")))
    said = "column 'nM' are spread by" in caplog.text and "nearly that of 'nM' alone" in caplog.text
    assert said == warned
