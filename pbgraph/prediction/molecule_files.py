"""Files of molecules, read and written a chunk at a time: memory stays bounded however long they or their lines are.

Read: CSV with a header (separated by commas, semicolons or tabs), Parquet, and .smi (a SMILES and perhaps a name on
each line); CSV and .smi also as gzip. Written: CSV, with tabs for .tsv, these two as gzip, and Parquet.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from string import whitespace
from tempfile import TemporaryDirectory
from typing import IO, Any

from pbgraph.datasets.parquet import PARQUET, read_parquet
from pbgraph.datasets.sheet import check_is_file, opened
from pbgraph.datasets.text_table import encoding, header_and_rows, lines, marked_encoding, position
from pbgraph.errors import DataError, UsageError
from pbgraph.files.writing import is_special, replaced_file
from pbgraph.structures.smiles import shortened, too_long
from pbgraph.terminal import no_formula, visible

CHUNK = 4096  # molecules
CHUNK_CHARACTERS = 2**22  # of a chunk, unless a single row has more
FORMS = ("csv", "smi", "parquet")
WRITTEN = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
STANDARD = Path("-")  # stdin or stdout

Row = tuple[str, str, str, tuple[str, ...]]  # SMILES, name, why the row cannot be used or "", other cells


@dataclass(frozen=True)
class Chunk:
    """n rows of a file: structures, names ("" where there is none), and why a row cannot be used ("" if it can).

    cells  n rows of what stands in other columns that were asked for
    """

    smiles: tuple[str, ...]
    names: tuple[str, ...]
    errors: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...] = ()


def form_of(path: Path) -> str:
    """What a file holds, by its name; stdin and unknown names are CSV.

    >>> form_of(Path("a.smi.gz")), form_of(Path("b.parquet")), form_of(Path("-"))
    ('smi', 'parquet', 'csv')
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return {".smi": "smi", ".smiles": "smi", ".parquet": "parquet"}.get(suffix, "csv")


def read_chunks(
    path: Path, *, form: str, smiles: str, name: str | None = None, others: Sequence[str] = ()
) -> Iterator[Chunk]:
    """The rows of a file in order; `-` is stdin.

    form          "csv", "smi" or "parquet"; a file that begins as Parquet does is read as such whatever is said
    smiles, name  columns of CSV and Parquet; name may be None
    others        further columns, of which .smi has none
    Raises UsageError for a folder or an unknown column; DataError if the file cannot be read.
    """
    if form == "parquet" and path == STANDARD:
        raise UsageError("Parquet cannot be read from stdin, which can be read once; give it as a file")
    if path != STANDARD:
        check_is_file(path)
    if form == "parquet" or _is_parquet(path):
        yield from _parquet_chunks(path, smiles, name, others=others)
        return
    if form == "smi" and others:
        raise UsageError(
            f"{path} has structures and names alone, and no column {', '.join(others)}; give CSV or Parquet"
        )
    where = "stdin" if path == STANDARD else str(path)
    with _opened(path, where) as file:
        rows = _smi_rows(file, where) if form == "smi" else _csv_rows(file, where, smiles, name=name, others=others)
        yield from _chunked(rows)


def _chunked(rows: Iterator[Row]) -> Iterator[Chunk]:
    part: list[Row] = []
    characters = 0
    for row in rows:
        part.append(row)
        characters += len(row[0]) + len(row[1]) + sum(map(len, row[3]))
        if len(part) == CHUNK or characters >= CHUNK_CHARACTERS:
            yield _chunk(part)
            part, characters = [], 0
    if part:
        yield _chunk(part)


def _chunk(rows: Sequence[Row]) -> Chunk:
    """The rows; a text that is too long for a structure is cut, so that what is written does not outgrow what is read
    of a small file.
    """
    cut = [
        row if (why := too_long(row[0])) is None else (shortened(row[0]), row[1], row[2] or why, row[3]) for row in rows
    ]
    return Chunk(*map(tuple, zip(*cut, strict=True)))


def _is_parquet(path: Path) -> bool:
    if not _can_be_read_twice(path):
        return False
    with opened(path) as file:
        return file.read(len(PARQUET)) == PARQUET


def _can_be_read_twice(path: Path) -> bool:
    return path != STANDARD and path.is_file()


@contextmanager
def _opened(path: Path, where: str) -> Iterator[IO[str]]:
    """The text of a file, of a pipe or of stdin, gzip or not. Raises DataError if it cannot be opened or unpacked.

    Of a pipe, which can be read once alone, the encoding is that of its mark or UTF-8.
    """
    with nullcontext(sys.stdin.buffer) if path == STANDARD else opened(path) as raw:
        try:
            file = _unpacked(raw)
            if _can_be_read_twice(path):
                encoding = _encoding(path, where)
            else:
                start = file.peek(len(PARQUET))
                if start.startswith(PARQUET):
                    raise UsageError(f"Parquet cannot be read from {where}, which can be read once; give it as a file")
                encoding = marked_encoding(start, where) or "utf-8"
            yield io.TextIOWrapper(file, encoding=encoding, newline="")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{where} is damaged gzip ({error}); supply it anew") from error


def _encoding(path: Path, where: str) -> str:
    with opened(path) as raw:
        file = _unpacked(raw)
        return encoding(iter(lambda: file.read(2**20), b""), where)


def _unpacked(file: IO[bytes]) -> Any:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    return gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == b"\x1f\x8b" else buffered


def _smi_rows(file: IO[str], where: str) -> Iterator[Row]:
    """A SMILES, white space, and a name that may have white space in it; an extension of the SMILES is not read."""
    for line in lines(file, where):
        smiles, *rest = re.split(f"[{whitespace}]+", line.strip(whitespace), maxsplit=1)
        name = rest[0] if rest else ""
        extended = (
            "an extension of the SMILES (CXSMILES), which is not read here; take it out" if name[:1] == "|" else ""
        )
        yield smiles, name, extended, ()


def _csv_rows(file: IO[str], where: str, smiles: str, *, name: str | None, others: Sequence[str]) -> Iterator[Row]:
    header, rows = header_and_rows(file, where, [smiles, *([] if name is None else [name]), *others])
    places = [position(header, other, where) for other in others]
    at, name_at = position(header, smiles, where), None if name is None else position(header, name, where)
    for _, row in rows:
        if not row and len(header) > 1:
            continue  # a blank line is no row, unless a row is a single cell
        if len(row) == len(header) or not row:
            cells = row or [""] * len(header)
            name_cell = "" if name_at is None else cells[name_at].strip()
            yield cells[at].strip(whitespace), name_cell, "", tuple(cells[place] for place in places)
        else:
            why = f"{len(row)} cells under a header of {len(header)}"
            yield row[at].strip(whitespace) if at < len(row) else "", "", why, ("",) * len(places)


def _parquet_chunks(path: Path, smiles: str, name: str | None, *, others: Sequence[str]) -> Iterator[Chunk]:
    wanted = [smiles, *([] if name is None else [name]), *others]
    for cells, *more in read_parquet(path, str(path), wanted, rows=CHUNK, most=CHUNK_CHARACTERS):
        blank = ("",) * len(cells)
        names = blank if name is None else more.pop(0)
        rest = list(zip(*more, strict=True)) if more else [()] * len(cells)
        yield _chunk(list(zip(cells, names, blank, rest, strict=True)))


Write = Callable[[Sequence[Sequence[Any]]], None]


@contextmanager
def writer(path: Path, columns: Sequence[str], *, numbers: int, for_spreadsheets: bool = False) -> Iterator[Write]:
    """A function that appends rows, given by columns, to a file that is there whole in the end or not at all.

    path     .csv, .tsv, these as .gz, or .parquet; a name without any of these, and `-` for stdout, is CSV
    columns  names, made unlike each other by underscores; all but the first two and the last hold numbers, of which
             there are so many: None is written as a blank cell
    for_spreadsheets  put an apostrophe before text that a spreadsheet would take for a formula
    Raises UsageError for a folder, or a name that says another form.
    """
    names = _different(columns)
    if path == STANDARD:
        with _stdout() as file:
            yield _csv_writer(file, names, for_spreadsheets=for_spreadsheets)
        return
    ending = written_form(path)
    if for_spreadsheets and ending == ".parquet":
        raise UsageError(f"{path}: Parquet is not opened by spreadsheets; leave --for-spreadsheets out")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name the file to be written")
    with replaced_file(path) as part:
        if ending == ".parquet":
            with _with_positions(part) as whole, _parquet_writer(whole, names, numbers) as write:
                yield write
            return
        separator = "\t" if ending.startswith(".tsv") else ","
        opened = gzip.open if ending.endswith(".gz") else open
        with opened(part, "wt", newline="", encoding="utf-8") as file:
            yield _csv_writer(file, names, separator=separator, for_spreadsheets=for_spreadsheets)


def written_form(path: Path) -> str:
    """The one of WRITTEN that a name ends in; .csv, or .csv.gz, for one that ends in nothing else.

    Raises UsageError for another ending.

    >>> written_form(Path("a.TSV.gz")), written_form(Path("-"))
    ('.tsv.gz', '.csv')
    """
    name = path.name.lower()
    form = next((ending for ending in WRITTEN if name.endswith(ending)), None)
    if form is not None:
        return form
    if not Path(name.removesuffix(".gz")).suffix:
        return ".csv.gz" if name.endswith(".gz") else ".csv"
    raise UsageError(f"{path}: predictions are written as {', '.join(WRITTEN)}; give OUTPUT one of these endings")


@contextmanager
def _stdout() -> Iterator[IO[str]]:
    """Stdout in UTF-8, whatever the terminal's encoding: what is read from it is a file like any other."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        yield sys.stdout
        return
    sys.stdout.flush()
    file = io.TextIOWrapper(buffer, encoding="utf-8", newline="", write_through=True)
    try:
        yield file
        file.flush()
    finally:
        file.detach()


def _different(names: Sequence[str]) -> list[str]:
    different: list[str] = []
    for name in names:
        while name in different:
            name += "_"
        different.append(name)
    return different


def _csv_writer(file: Any, names: Sequence[str], *, separator: str = ",", for_spreadsheets: bool = False) -> Write:
    out = csv.writer(file, lineterminator="\n", delimiter=separator)
    to_text = _spreadsheet_text if for_spreadsheets else _text
    to_cell = (lambda value: visible(str(to_text(value)))) if file.isatty() else to_text  # what a terminal would obey
    out.writerow(map(to_cell, names))
    return lambda columns: out.writerows(zip(*(map(to_cell, column) for column in columns), strict=True))


def _text(value: Any) -> Any:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else value


def _spreadsheet_text(value: Any) -> Any:
    """The same, with an apostrophe before text that would be a formula; numbers are numbers."""
    return _text(no_formula(value))


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
