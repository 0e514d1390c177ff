"""Files of molecules: bounded in what is held, whole in what is written, in the form that the name says."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pyarrow import parquet

from pbgraph.errors import UsageError
from pbgraph.features.base import Featuriser
from pbgraph.prediction import molecule_files
from pbgraph.prediction.molecule_files import read_chunks, writer
from pbgraph.prediction.predict import OfOneArm, Predictor
from pbgraph.structures.smiles import MAX_CHARACTERS

ROWS = [
    ["=cmd|' /C calc'!A0", "+1", "-x", "@y", "\tz", "plain", "ü\x1b[31m"],
    ["C"] * 7,
    [0.5, None, -1.5, 2.0, 1.0, 0.0, 1e-9],
    [""] * 7,
]


def written(path: Path, **options: bool) -> Path:
    with writer(path, ["name", "smiles", "-logS", "error"], numbers=1, **options) as write:
        write(ROWS)
    return path


@pytest.mark.parametrize(
    ("name", "separator"),
    [
        ("o.csv", ","),
        ("o.CSV", ","),
        ("o.csv.gz", ","),
        ("o.tsv", "\t"),
        ("o.tsv.gz", "\t"),
        ("out", ","),
        ("out.gz", ","),
    ],
)
def test_the_name_says_the_form(name, separator, tmp_path):
    content = written(tmp_path / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    assert header == ["name", "smiles", "-logS", "error"]
    assert [row[0] for row in rows] == ROWS[0]
    assert [row[2] for row in rows] == ["0.5", "", "-1.5", "2", "1", "0", "1e-09"]


def test_parquet_is_written(tmp_path):
    assert parquet.read_table(written(tmp_path / "o.parquet")).to_pydict()["name"] == ROWS[0]


@pytest.mark.parametrize("name", ["o.xlsx", "o.json", "o.smi", "o.csv.zip", "o.parquet.gz", "o.txt"])
def test_other_forms_are_refused(name, tmp_path):
    with pytest.raises(
        UsageError, match=r"written as \.csv, \.csv\.gz, \.tsv, \.tsv\.gz, \.parquet; give OUTPUT one of"
    ):
        written(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_no_formula_reaches_a_spreadsheet(tmp_path):
    header, *rows = csv.reader(written(tmp_path / "o.csv", for_spreadsheets=True).open(newline="", encoding="utf-8"))
    assert header[2] == "'-logS"
    assert [row[0] for row in rows] == [*(f"'{name}" for name in ROWS[0][:5]), *ROWS[0][5:]]
    assert rows[2][2] == "-1.5"
    with pytest.raises(UsageError, match="leave --for-spreadsheets out"):
        written(tmp_path / "o.parquet", for_spreadsheets=True)


def test_stdout_is_utf_8_and_as_it_is_unless_a_terminal_reads_it(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    written(Path("-"))
    assert "ü\x1b[31m,C,1e-09" in raw.getvalue().decode("utf-8")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdout", terminal)
    written(Path("-"))
    assert "ü\\x1b[31m,C,1e-09" in terminal.getvalue()


def test_a_chunk_is_bounded_in_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(molecule_files, "CHUNK_CHARACTERS", 1000)
    path = tmp_path / "in.csv"
    names = ["x" * 300, "", "y" * 5000, *"ab"]
    path.write_text("SMILES,name\n" + "".join(f"CCO,{name}\n" for name in names))
    chunks = list(read_chunks(path, form="csv", smiles="SMILES", name="name"))
    assert [len(chunk.names) for chunk in chunks] == [3, 2]
    assert [name for chunk in chunks for name in chunk.names] == names


def test_a_structure_that_is_too_long_is_cut(tmp_path):
    path = tmp_path / "in.smi"
    path.write_text(
        "C" * (MAX_CHARACTERS + 1) + " long\nCCO\t|^1:0| radical\n\nCCO \t two words\nCCO\xa0x\n", encoding="utf-8"
    )
    (chunk,) = read_chunks(path, form="smi", smiles="")
    assert chunk.smiles == ("C" * 60 + "...", "CCO", "", "CCO", "CCO\xa0x")
    assert chunk.names == ("long", "|^1:0| radical", "", "two words", "")
    assert (
        chunk.errors[0]
        == f"{MAX_CHARACTERS + 1} characters, more than the {MAX_CHARACTERS} that a SMILES may have here"
    )
    assert "CXSMILES" in chunk.errors[1]
    assert chunk.errors[2:] == ("", "", "")


def test_what_a_featuriser_raises_costs_the_rows_that_raise_it():
    def featurise(smiles, y):
        if bad := [text for text in smiles if "N" in text]:
            raise RuntimeError(f"Invariant Violation\n\tno nitrogen in {bad[0]}\n")
        return np.array([len(text) for text in smiles], dtype=float)

    model = SimpleNamespace(targets=("a",), graph_columns=())
    featuriser = Featuriser("lengths", 1, featurise, lambda *_: None, "here")
    predictor = Predictor((OfOneArm((model,), featuriser, (lambda store: store[:, None],)),))
    made = predictor(["CC", "CN", "C1CC", "CCC", "N"])
    assert made.errors == (
        *("", "RDKit cannot use it: no nitrogen in CN", "not a valid SMILES", ""),
        "RDKit cannot use it: no nitrogen in N",
    )
    np.testing.assert_array_equal(made.mean[:, 0], [2, np.nan, np.nan, 3, np.nan])
    assert np.isnan(predictor(["N"]).mean).all()
