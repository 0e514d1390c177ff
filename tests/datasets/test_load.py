"""Reading tables: what is kept, what is rejected and named, and what cannot be read at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.datasets.base import DATASETS
from pbgraph.datasets.load import load, read
from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.molecules import Rejected
from small_dataset import CSV, dataset

NAN = np.nan


def table(*rows: str) -> bytes:
    return "\n".join(("a,b,mol_id,smiles", *rows, "")).encode()


def test_rows_are_kept_in_order_and_blanks_are_not_measured() -> None:
    molecules = read(dataset(), CSV)
    assert molecules.mol_ids == ("M1", "M2", "M3", "M4", "M5")
    assert molecules.smiles[2] == "[Na+].[Cl-]"
    assert molecules.y.dtype == np.float32
    np.testing.assert_array_equal(molecules.y, [[0, 1], [NAN, 0], [1, NAN], [0, 0], [1, 1]])
    np.testing.assert_array_equal(molecules.rows, range(5))
    assert (molecules.sha256, molecules.rejected, len(molecules)) == (sha256(CSV), (), 5)


def test_bad_rows_are_rejected_each_with_its_reason() -> None:
    molecules = read(
        dataset(),
        table(
            "0,0,good,C",
            "2,1,label,C",
            "0,-1,more,C",
            "0,1,syntax,C1CC",
            "0,1,blank,",
            "1,1,valence,C(C)(C)(C)(C)C",
            "1,,last,O",
        ),
    )
    assert molecules.mol_ids == ("good", "last")
    np.testing.assert_array_equal(molecules.rows, [0, 6])
    np.testing.assert_array_equal(molecules.y, [[0, 0], [1, NAN]])
    assert molecules.rejected == (
        Rejected(1, "label", "label a is '2'; expected 0/1, false/true, no/yes, inactive/active or blank"),
        Rejected(2, "more", "label b is '-1'; expected 0/1, false/true, no/yes, inactive/active or blank"),
        Rejected(3, "syntax", "not a valid SMILES"),
        Rejected(4, "blank", "blank SMILES"),
        Rejected(5, "valence", "Explicit valence for atom # 0 C, 5, is greater than permitted"),
    )


def test_order_of_columns_line_ends_and_byte_order_mark_are_immaterial() -> None:
    content = b'\xef\xbb\xbfsmiles,extra,b,a,mol_id\r\n"CCO",x,1,0,M1\r\n\r\nC,y,,1.0,M2\r\n'
    molecules = read(dataset(), content)
    np.testing.assert_array_equal(molecules.y, [[0, 1], [1, NAN]])
    assert molecules.smiles == ("CCO", "C")


def test_cells_mean_what_they_mean_in_tables_of_the_users_and_names_are_as_written() -> None:
    molecules = read(dataset(), table("NA,yes, M1 ,CCO ", "0,Inactive,M2, C", "n/a,0,M3,CC"))
    np.testing.assert_array_equal(molecules.y, [[NAN, 1], [0, 0], [NAN, 0]])
    assert molecules.mol_ids == (" M1 ", "M2", "M3")
    assert molecules.smiles == ("CCO ", " C", "CC")


@given(st.lists(st.tuples(*[st.sampled_from(["", "0", "1"])] * 2), min_size=1, max_size=20))
@settings(max_examples=50)
def test_every_cell_comes_back(cells: list[tuple[str, str]]) -> None:
    molecules = read(dataset(), table(*(f"{a},{b},M{i},C" for i, (a, b) in enumerate(cells))))
    back = [tuple("" if np.isnan(value) else str(int(value)) for value in row) for row in molecules.y]
    assert back == cells


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "small.csv is empty"),
        (b"a,b,mol_id,smiles\n", "no rows"),
        (b"a,mol_id,smi\n0,M1,C\n", "no column smiles, b; its columns are: a, mol_id, smi"),
        (table("0,1,M1,C", "0,1,M2"), "rows without the 4 cells that the header has: line 3"),
        (
            table("0,1,M1,C", "0,1,M1,CC", "0,1,M1,CCC"),
            r"names are blank or repeated: line 2 \('M1'\), line 3 \('M1'\), line 4 \('M1'\); correct them",
        ),
        (b"a,b,mol_id,smiles\n0,1,\0,C\n", "not a table in text"),
        (table('0,1,M1,"C'), "line 2: this is not CSV"),
    ],
)
def test_what_is_no_such_table_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(dataset(), content)


def test_rejections_are_told_in_one_warning_and_rdkit_keeps_quiet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    content = table("0,1,M1,C", "0,1,M2,C1CC", "0,9,M3,C")
    (tmp_path / "small.csv").write_bytes(content)
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        load(dataset(content), folder=tmp_path, offline=True)
        (record,) = caplog.records
        assert record.getMessage() == (
            "small: 2 of 3 rows left out, counted from 0 below the header: row 1 (M2): not a valid SMILES; "
            "row 2 (M3): label b is '9'; expected 0/1, false/true, no/yes, inactive/active or blank"
        )
    assert capfd.readouterr().err == ""


def test_of_many_rejections_two_are_told_and_where_the_others_are(tmp_path, caplog) -> None:
    content = table("0,1,M1,C", "0,1,M2,C1CC", "0,9,M3,C", "0,1,M4,", "0,1,M5,")
    (tmp_path / "small.csv").write_bytes(content)
    assert len(load(dataset(content), folder=tmp_path, offline=True).rejected) == 4
    (record,) = caplog.records
    said = record.getMessage()
    assert "row 2 (M3)" in said
    assert "(M4)" not in said
    assert said.endswith("; and 2 more, which every record and 'python -m pbgraph.bench data audit small' lists")


def test_tox21_is_registered() -> None:
    assert DATASETS.get("tox21").file == "tox21.csv"
