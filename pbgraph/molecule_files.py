"""Files of molecules, read and written a chunk at a time: memory stays bounded however long they are.

Read: CSV with a header (separated by commas, semicolons or tabs), Parquet, and .smi (a SMILES and perhaps a name on
each line); CSV and .smi also as gzip. Written: CSV, CSV as gzip, and Parquet.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from pbgraph.datasets.sheet import PARQUET, cell, check_is_file
from pbgraph.datasets.text_table import encoding, header_and_rows, lines, marked_encoding, position
from pbgraph.errors import DataError, UsageError
from pbgraph.files import is_special, replaced_file

CHUNK = 4096  # molecules
FORMS = ("csv", "smi", "parquet")
STANDARD = Path("-")  # stdin or stdout

Row = tuple[str, str, str]  # SMILES, name, why the row cannot be used or ""


@dataclass(frozen=True)
class Chunk:
    """n rows of a file: structures, names ("" where there is none), and why a row cannot be used ("" if it can)."""

    smiles: tuple[str, ...]
    names: tuple[str, ...]
    errors: tuple[str, ...]


def form_of(path: Path) -> str:
    """What a file holds, by its name; stdin and unknown names are CSV.

    >>> form_of(Path("a.smi.gz")), form_of(Path("b.parquet")), form_of(Path("-"))
    ('smi', 'parquet', 'csv')
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return {".smi": "smi", ".smiles": "smi", ".parquet": "parquet"}.get(suffix, "csv")


def read_chunks(path: Path, *, form: str, smiles: str, name: str | None = None) -> Iterator[Chunk]:
    """The rows of a file in order; `-` is stdin.

    form          "csv", "smi" or "parquet"; a file that begins as Parquet does is read as such whatever is said
    smiles, name  columns of CSV and Parquet; name may be None
    Raises UsageError for a folder or an unknown column; DataError if the file cannot be read.
    """
    if path == STANDARD and form == "parquet":
        raise UsageError("Parquet cannot be read from stdin; give it as a file")
    if path != STANDARD:
        check_is_file(path)
    if form == "parquet" or _is_parquet(path):
        yield from _parquet_chunks(path, smiles, name)
        return
    where = "stdin" if path == STANDARD else str(path)
    with _opened(path, where) as file:
        rows = _smi_rows(file, where) if form == "smi" else _csv_rows(file, where, smiles, name)
        yield from _chunked(rows)


def _chunked(rows: Iterator[Row]) -> Iterator[Chunk]:
    while part := list(islice(rows, CHUNK)):
        yield Chunk(*map(tuple, zip(*part, strict=True)))


def _is_parquet(path: Path) -> bool:
    if not _can_be_read_twice(path):
        return False
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _can_be_read_twice(path: Path) -> bool:
    return path != STANDARD and path.is_file()


@contextmanager
def _opened(path: Path, where: str) -> Iterator[IO[str]]:
    """The text of a file, of a pipe or of stdin, gzip or not. Raises DataError if it cannot be opened or unpacked.

    Of a pipe, which can be read once alone, the encoding is that of its mark or UTF-8.
    """
    with nullcontext(sys.stdin.buffer) if path == STANDARD else path.open("rb") as raw:
        try:
            file = _unpacked(raw)
            if _can_be_read_twice(path):
                found = _encoding(path, where)
            else:
                found = marked_encoding(file.peek(4), where) or "utf-8"
            yield io.TextIOWrapper(file, encoding=found, newline="")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{where} is damaged gzip ({error}); supply it anew") from error


def _encoding(path: Path, where: str) -> str:
    with path.open("rb") as raw:
        file = _unpacked(raw)
        return encoding(iter(lambda: file.read(2**20), b""), where)


def _unpacked(file: IO[bytes]) -> Any:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    return gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == b"\x1f\x8b" else buffered


def _smi_rows(file: IO[str], where: str) -> Iterator[Row]:
    for line in lines(file, where):
        smiles, _, name = line.strip().partition(" ") if "\t" not in line else line.strip().partition("\t")
        yield smiles, name.strip(), ""


def _csv_rows(file: IO[str], where: str, smiles: str, name: str | None) -> Iterator[Row]:
    header, rows = header_and_rows(file, where)
    at, name_at = position(header, smiles, where), None if name is None else position(header, name, where)
    for _, row in rows:
        if not row and len(header) > 1:
            continue  # a blank line is no row, unless a row is a single cell
        if len(row) == len(header) or not row:
            yield (row[at].strip() if row else "", "" if name_at is None else row[name_at].strip(), "")
        else:
            yield row[at].strip() if at < len(row) else "", "", f"{len(row)} cells under a header of {len(header)}"


def _parquet_chunks(path: Path, smiles: str, name: str | None) -> Iterator[Chunk]:
    import pyarrow as pa
    from pyarrow import parquet

    wanted = [smiles] if name is None else [smiles, name]
    try:
        with parquet.ParquetFile(path) as file:
            for column in wanted:
                position(file.schema_arrow.names, column, str(path))
            for batch in file.iter_batches(batch_size=CHUNK, columns=wanted):
                columns = {column: tuple(map(cell, batch.column(column).to_pylist())) for column in wanted}
                blank = ("",) * batch.num_rows
                yield Chunk(columns[smiles], blank if name is None else columns[name], blank)
    except pa.ArrowException as error:
        raise DataError(f"{path} is damaged Parquet ({error}); write it anew") from error


Write = Callable[[Sequence[Sequence[Any]]], None]


@contextmanager
def writer(path: Path, columns: Sequence[str], *, numbers: int) -> Iterator[Write]:
    """A function that appends rows, given by columns, to a file that is there whole in the end or not at all.

    path     .parquet; .gz for CSV as gzip; anything else for CSV; `-` for stdout
    columns  names, made unlike each other by underscores; all but the first two and the last hold numbers, of which
             there are so many: None is written as a blank cell
    """
    names = _different(columns)
    if path == STANDARD:
        yield _csv_writer(sys.stdout, names)
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name the file to be written")
    with replaced_file(path) as part:
        if form_of(path) == "parquet":
            with _with_positions(part) as whole, _parquet_writer(whole, names, numbers) as write:
                yield write
        elif path.suffix == ".gz":
            with gzip.open(part, "wt", newline="", encoding="utf-8") as file:
                yield _csv_writer(file, names)
        else:
            with part.open("w", newline="", encoding="utf-8") as file:
                yield _csv_writer(file, names)


def _different(names: Sequence[str]) -> list[str]:
    made: list[str] = []
    for name in names:
        while name in made:
            name += "_"
        made.append(name)
    return made


def _csv_writer(file: Any, names: Sequence[str]) -> Write:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(names)
    return lambda columns: out.writerows(zip(*(map(_text, column) for column in columns), strict=True))


def _text(value: Any) -> Any:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else value


@contextmanager
def _with_positions(path: Path) -> Iterator[Path]:
    """A file that knows its positions, as Parquet needs: the file itself, or one that goes into a pipe in the end."""
    if not is_special(path):
        yield path
        return
    with TemporaryDirectory(prefix="pbgraph-") as folder:
        whole = Path(folder) / "whole"
        yield whole
        with whole.open("rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)


@contextmanager
def _parquet_writer(path: Path, names: Sequence[str], numbers: int) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    types = [pa.string(), pa.string(), *[pa.float64()] * numbers, pa.string()]
    schema = pa.schema(list(zip(names, types, strict=True)))
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        yield lambda columns: file.write_table(
            pa.table([pa.array(column, kind) for column, kind in zip(columns, types, strict=True)], schema=schema)
        )
