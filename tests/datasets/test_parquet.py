"""Parquet of any content: as CSV would have it, within bounds, or an error that names the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pbgraph.datasets.parquet import read_parquet
from pbgraph.datasets.sheet import read_sheet
from pbgraph.errors import DataError
from pbgraph.prediction.molecule_files import CHUNK, CHUNK_CHARACTERS, read_chunks
from pbgraph.structures.smiles import MAX_CHARACTERS


def written(folder: Path, **columns: object) -> Path:
    parquet.write_table(pa.table(columns), folder / "my.parquet", compression="zstd")
    return folder / "my.parquet"


def sheet_of(path: Path, *wanted: str):
    return read_sheet(path.name, path.read_bytes(), wanted)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(3)], ids=str
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_text_is_text(kind, packed, tmp_path):
    cells = pa.array([b"CCO", b"C=C", None, b"CCO"]).cast(kind)
    path = written(tmp_path, SMILES=cells.dictionary_encode() if packed else cells)
    assert sheet_of(path, "SMILES").columns["SMILES"] == ("CCO", "C=C", "", "CCO")
    (chunk,) = read_chunks(path, form="parquet", smiles="SMILES")
    assert chunk.smiles == ("CCO", "C=C", "", "CCO")


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()], ids=str)
def test_views_of_text_are_text_and_are_as_long(kind, tmp_path):
    path = written(tmp_path, SMILES=pa.array([b"CCO", b"C" * 20, None]).cast(kind))
    assert sheet_of(path, "SMILES").columns["SMILES"] == ("CCO", "C" * 20, "")
    pieces = list(read_parquet(path, "my.parquet", ["SMILES"], rows=10, most=10))
    assert [len(piece[0]) for piece in pieces] == [1, 1, 1]


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_and_can_be_predicted(tmp_path):
    rows = 50_000
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["C" * 100_000]))
    path = written(tmp_path, SMILES=cells)
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match=r"my\.parquet, unpacked, has more than 256 MiB"):
        sheet_of(path, "SMILES")
    chunks = read_chunks(path, form="parquet", smiles="SMILES")
    first = next(chunks)
    assert 1 <= len(first.smiles) <= CHUNK_CHARACTERS // 100_000 < CHUNK
    assert first.smiles[0] == "C" * 60 + "..."
    assert first.errors[0] == f"100000 characters, more than the {MAX_CHARACTERS} that a SMILES may have here"


def test_rows_are_all_there_whatever_the_pieces(tmp_path):
    cells = ["C" * (1 + n % 7) for n in range(3 * CHUNK + 5)]
    path = written(tmp_path, SMILES=cells, n=list(range(len(cells))))
    chunks = list(read_chunks(path, form="parquet", smiles="SMILES", name="n"))
    assert [one for chunk in chunks for one in chunk.smiles] == cells
    assert [one for chunk in chunks for one in chunk.names] == [str(n) for n in range(len(cells))]
    assert max(len(chunk.smiles) for chunk in chunks) == CHUNK


@pytest.mark.parametrize("where", [slice(4, 40), slice(-60, -8), slice(-8, -4), slice(-30, None)], ids=str)
def test_a_broken_file_is_named(where, tmp_path):
    path = written(tmp_path, SMILES=["CCO", "C"] * 50)
    content = bytearray(path.read_bytes())
    content[where] = b"\xff" * len(content[where])
    path.write_bytes(content)
    for read in (lambda: sheet_of(path, "SMILES"), lambda: list(read_chunks(path, form="csv", smiles="SMILES"))):
        with pytest.raises(DataError, match=r"my\.parquet is damaged Parquet") as caught:
            read()
        assert "hrift" not in str(caught.value)


def test_columns_that_are_no_text_or_numbers_are_named(tmp_path):
    path = written(tmp_path, SMILES=[["C"], ["CC"]])
    with pytest.raises(DataError, match=r"column 'SMILES' holds list<.*>; expected text, numbers, dates"):
        sheet_of(path, "SMILES")
    with pytest.raises(DataError, match="has values that are no text"):
        sheet_of(written(tmp_path, SMILES=[b"\xff\xfe"]), "SMILES")
