"""Tables in text, in memory or read as they come: their encoding, separator, header and rows."""

from __future__ import annotations

import codecs
import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO

from pbgraph.errors import DataError, unknown_name

log = logging.getLogger(__name__)

SEPARATORS = ",;\t"
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}  # that a text may begin with
LONGEST_LINE = 2**24  # characters of a line or of a row, so that no file, packed or not, fills the memory
ZIP = b"PK\x03\x04"


def marked_encoding(start: bytes, where: str) -> str | None:
    """The encoding that the mark at the start of a text names; None if there is no mark.

    Raises DataError for what is no text but an archive, as every workbook is.
    """
    if start.startswith(ZIP):
        raise DataError(f"{where} is an Excel workbook or a ZIP archive; save the table as CSV")
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)


def encoding(blocks: Iterable[bytes], where: str) -> str:
    """The encoding of a whole text, given in blocks: that of its mark, else UTF-8 if all of it is, else Latin-1.

    Errors as for `marked_encoding`.
    """
    blocks = iter(blocks)
    first = next(blocks, b"")
    if (marked := marked_encoding(first, where)) is not None:
        return marked
    decoder, read = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        for block in chain([first], blocks):
            read += len(block)
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        at = read - len(error.object) + error.start
        log.warning("%s is not UTF-8 (byte %d); it is read as Latin-1", where, at)
        return "latin-1"
    return "utf-8"


def lines(file: IO[str], where: str) -> Iterator[str]:
    """The lines of a text, with their ends. Raises DataError for what is no text, or has a line beyond LONGEST_LINE."""
    try:
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise _too_long(where)
            if "\0" in line:
                raise DataError(f"{where} is not a table in text; supply CSV, gzip of CSV, or Parquet")
            yield line
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not text in {error.encoding} ({error.reason}); save it as UTF-8") from error


def _too_long(where: str) -> DataError:
    return DataError(
        f"{where} has a row of {LONGEST_LINE} characters or more, so it is no table of molecules; supply a file with "
        "one molecule in each row"
    )


def header_and_rows(file: IO[str], where: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and (number of the line, cells) of everything under them; a blank line has no cells.

    file  opened with ``newline=""``
    The header is the first line that is not blank; the separator is the one it has most of. Raises DataError if there
    is no header, and, as rows are taken, for what is not CSV.
    """
    text, blank = lines(file, where), 0
    for first in text:
        if first.strip():
            break
        blank += 1
    else:
        raise DataError(f"{where} is empty; expected a header and at least one row")
    rows = _rows(chain([first], text), max(SEPARATORS, key=first.count), where, blank)
    return [name.strip() for name in next(rows)[1]], rows


def _rows(text: Iterable[str], separator: str, where: str, before: int) -> Iterator[tuple[int, list[str]]]:
    taken = 0  # characters of this row, which quoted line ends may carry over any number of lines

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in text:
            taken += len(line)
            if taken > LONGEST_LINE:
                raise _too_long(where)
            yield line

    reader = csv.reader(counted(), delimiter=separator, strict=True)
    try:
        for cells in reader:
            taken = 0
            yield before + reader.line_num, cells if len(cells) > 1 or "".join(cells).strip() else []
    except csv.Error as error:
        number = before + reader.line_num
        raise DataError(f"{where}, line {number}: this is not CSV ({error}); export the table anew") from error


def position(header: Sequence[str], column: str, where: str) -> int:
    """Where a column is.

    Raises UsageError, with the nearest name, if there is none of this name; DataError if there are several.
    """
    if column not in header:
        raise unknown_name(f"column of {where}", column, [known for known in header if known])
    if header.count(column) > 1:
        raise DataError(f"{where}: {header.count(column)} columns are called {column!r}; rename all but one of them")
    return header.index(column)
