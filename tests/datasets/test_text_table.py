"""Quotes, separators, line ends and encodings as spreadsheets and people leave them: no row is lost without a word."""

from __future__ import annotations

import io

import pytest

from pbgraph.datasets import sheet as sheets
from pbgraph.datasets.sheet import read_sheet
from pbgraph.datasets.text_table import MOST_LINES, header_and_rows
from pbgraph.errors import DataError

ROWS = [f"{'C' * n},{n % 2},M{n}" for n in range(1, 41)]


def table(*changed: tuple[int, str]) -> bytes:
    """A header in line 1 and 40 rows under it, with some lines changed."""
    lines = ["smiles,toxic,name", *ROWS]
    for number, line in changed:
        lines[number - 1] = line
    return ("\n".join(lines) + "\n").encode()


def read(content: bytes, *wanted: str):
    return read_sheet("my.csv", content, wanted or ("smiles", "toxic"))


def test_rows_between_two_stray_quotes_are_missed(caplog):
    sheet = read(table((6, 'CCCCC,1,"M5'), (31, 'CO,0,M30"')))
    assert len(sheet.places) == 15
    assert sheet.places[4:6] == ("line 6", "line 32")
    assert "my.csv: 15 rows were read from 41 lines" in caplog.text
    assert "lines 6 to 31 are one row each" in caplog.text


def test_two_rows_are_enough_to_be_missed(caplog):
    assert len(read(table((6, 'CCCCC,1,"M5'), (7, 'CO,0,M6"'))).places) == 39
    assert "lines 6 to 7 are one row each" in caplog.text


def test_a_note_of_a_few_lines_is_no_suspect(caplog):
    sheet = read(table((6, 'CCCCC,1,"M5\nis a note\nof three lines"')))
    assert (len(sheet.places), sheet.places[5]) == (40, "line 9")
    assert caplog.text == ""
    read(table((6, 'CCCCC,1,"M5' + "\nmore" * MOST_LINES + '"')))
    assert f"lines 6 to {6 + MOST_LINES} are one row each" in caplog.text


def test_a_quote_that_is_never_closed_is_found_where_its_row_begins():
    with pytest.raises(
        DataError, match=r"my.csv, line 6: this is not CSV: a quote is opened .* up to the end, line 41;"
    ):
        read(table((6, 'CCCCC,1,"M5')))


def test_text_after_a_quoted_cell_names_the_whole_row():
    with pytest.raises(DataError, match=r"line 6, in a row that goes on to line 8: this is not CSV"):
        read(table((6, 'CCCCC,1,"M5'), (8, 'CC"C,1,M7')))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Structure;sol (log S, 25 C, measured);note\nC;1;a\nCC;2;b\n", "sol (log S, 25 C, measured)"),
        ("Structure\tsol, 25 C, pH 7\tnote\nC\t1\ta\nCC\t2\tb\n", "sol, 25 C, pH 7"),
        ('Structure,"sol\n(log S)",note\nC,1,a\nCC,2,b\n', "sol (log S)"),
        ('Structure;"sol, a, b;\r\n c";note\r\nC;1;a\r\nCC;2;b\r\n', "sol, a, b; c"),
        ("sep=;\nStructure;so,l;no,t,e\nC;1;a\nCC;2;b\n", "so,l"),
        ('"sep=|"\r\nStructure|sol|note\r\nC|1|a\r\nCC|2|b\r\n', "sol"),
        ("\n\nStructure,sol,note\nC,1,a\nCC,2,b\n", "sol"),
        ("Structure,sol,a;b;c;d;e\nC,1,a\nCC,2,b\n", "sol"),
    ],
)
def test_the_separator_is_the_one_that_gives_the_columns(text, wanted):
    sheet = read(text.encode(), "Structure", wanted)
    assert sheet.columns == {"Structure": ("C", "CC"), wanted: ("1", "2")}


def test_without_wanted_columns_the_rows_decide():
    header, rows = header_and_rows(io.StringIO("a;b, c, d\n1;2\n3;4\n"), "it")
    assert header == ["a", "b, c, d"]
    assert [row for _, row in rows] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("byte", "name", "read_as"), [(b"\x80", "Windows-1252", "€"), (b"\x81\xe4", "Latin-1", "\x81ä")]
)
def test_what_is_not_utf_8_is_windows_1252(byte, name, read_as, caplog):
    sheet = read(table().replace(b",M7\n", b"," + byte + b"\n"), "name")
    assert sheet.columns["name"][6] == read_as
    assert f"it is read as {name}" in caplog.text


def test_a_long_cell_in_an_unused_column_is_no_matter():
    assert len(read(table((6, "CCCCC,1," + "x" * 200_000))).places) == 40


def test_a_nul_is_named_by_its_line():
    with pytest.raises(DataError, match=r"my.csv, line 6, has the character U\+0000"):
        read(table((6, "CCCCC,1,\0")))


def test_a_table_is_decoded_once_and_warned_of_each_time(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path))
    content = table((6, 'CCCCC,1,"M5'), (7, 'CO,0,\xe4"')).decode().encode("latin-1")
    first, said = read(content), [record.getMessage() for record in caplog.records]
    monkeypatch.setattr(sheets, "_decoded", lambda *_, **__: pytest.fail("decoded again"))
    caplog.clear()
    again = read(content)
    assert (again.columns, again.places, again.sha256) == (first.columns, first.places, first.sha256)
    assert [record.getMessage() for record in caplog.records] == said
    assert len(said) == 2


@pytest.mark.parametrize("change", ["content", "columns", "order", "file", "spaces", "version"])
def test_what_its_cells_depend_on_is_in_the_key(change, monkeypatch, tmp_path):
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path))
    read_sheet("my.csv", table(), ["smiles", "toxic"])
    monkeypatch.setattr(sheets, "_decoded", lambda *_, **__: pytest.fail("decoded again"))
    read_sheet("my.csv", table(), ["smiles", "toxic"])
    monkeypatch.setattr(sheets, "VERSION", sheets.VERSION + (change == "version"))
    content = table((2, "C,0,M1")) if change == "content" else table()
    wanted = {"columns": ["smiles"], "order": ["toxic", "smiles"]}.get(change, ["smiles", "toxic"])
    with pytest.raises(pytest.fail.Exception, match="decoded again"):
        read_sheet("your.csv" if change == "file" else "my.csv", content, wanted, spaces=change == "spaces")
