"""Tables in text, in memory or read as they come: their encoding, separator, header and rows."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import IO, Any

from pbgraph.errors import DataError, unknown_name

log = logging.getLogger(__name__)

SEPARATORS = ",;\t"
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}  # that a text may begin with
NOT_WINDOWS = (0x81, 0x8D, 0x8F, 0x90, 0x9D)  # bytes that stand for nothing in Windows-1252
LONGEST_LINE = 2**24  # characters of a line or of a row, so that no file, packed or not, fills the memory
MOST_LINES = 10  # of a row without a word about it
MOST_SHOWN = 5  # rows of many lines that one warning names
ZIP = b"PK\x03\x04"
EXCEL = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)  # a first line by which Excel is told the separator

Warn = Callable[[str], object]  # what becomes of a sentence that a reader should know


def marked_encoding(start: bytes, where: str) -> str | None:
    """The encoding that the mark at the start of a text names; None if there is no mark.

    Raises DataError for what is no text but an archive, as every workbook is.
    """
    if start.startswith(ZIP):
        raise DataError(f"{where} is an Excel workbook or a ZIP archive; save the table as CSV")
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)


def text(content: bytes, where: str, warn: Warn = log.warning) -> IO[str]:
    """The text of a whole file; errors as for `marked_encoding`."""
    return io.TextIOWrapper(io.BytesIO(content), encoding=encoding([content], where, warn), newline="")


def encoding(blocks: Iterable[bytes], where: str, warn: Warn = log.warning) -> str:
    """The encoding of a whole text, given in blocks: that of its mark, else UTF-8 if all of it is, else Windows-1252.

    Windows-1252 is what Windows saves by itself in the West, and Latin-1 but for the bytes 80 to 9F, which are control
    characters there; a text with a byte that Windows-1252 does not have is read as Latin-1.
    Errors as for `marked_encoding`.
    """
    blocks = iter(blocks)
    first = next(blocks, b"")
    if (marked := marked_encoding(first, where)) is not None:
        return marked
    decoder, read, wrong, latin = codecs.getincrementaldecoder("utf-8")(), 0, None, False
    for block in chain([first], blocks, [b""]):
        latin = latin or any(one in block for one in NOT_WINDOWS)
        if wrong is None:
            read += len(block)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                wrong = read - len(error.object) + error.start
    if wrong is None:
        return "utf-8"
    warn(f"{where} is not UTF-8 (byte {wrong}); it is read as {'Latin-1' if latin else 'Windows-1252'}")
    return "latin-1" if latin else "cp1252"


def lines(file: IO[str], where: str) -> Iterator[str]:
    """The lines of a text, with their ends. Raises DataError for what is no text, or has a line beyond LONGEST_LINE."""
    number = 0
    try:
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise _too_long(where)
            if "\0" in line:
                raise DataError(
                    f"{where}, line {number}, has the character U+0000: this is not a table in text; supply CSV, gzip "
                    "of CSV, or Parquet"
                )
            yield line
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not text in {error.encoding} ({error.reason}); save it as UTF-8") from error


def _too_long(where: str) -> DataError:
    return DataError(
        f"{where} has a row of {LONGEST_LINE} characters or more, so it is no table of molecules; supply a file with "
        "one molecule in each row"
    )


def csv_reader(text: Iterable[str], separator: str = ",") -> Any:
    """Python's reader of CSV, strict, for cells as long as a row may be; its own limit is a setting of the process."""
    csv.field_size_limit(LONGEST_LINE)
    return csv.reader(text, delimiter=separator, strict=True)


def header_and_rows(
    file: IO[str], where: str, wanted: Sequence[str] = (), *, warn: Warn = log.warning
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and (number of the line it begins in, cells) of every row; a blank line has no cells.

    file    opened with ``newline=""``
    wanted  names of columns
    warn    told of rows that take many lines, once all are taken
    The header is the first row that is not blank; its cells may be quoted and have line breaks in them. The separator
    is the one that a first line ``sep=;`` names, else the one that gives most of the wanted columns, then as many cells
    in the first row as in the header, then the most.
    Raises DataError if there is no header, and, as rows are taken, for what is not CSV.
    """
    read, blank, separators = lines(file, where), 0, SEPARATORS
    for first in read:
        told = EXCEL.fullmatch(first)
        if told:
            separators = told[1]
        elif first.strip():
            break
        blank += 1
    else:
        raise DataError(f"{where} is empty; expected a header and at least one row")
    start = _Start(first, read)
    rows = _rows(start, start.separator(separators, wanted), where, before=blank, warn=warn)
    return list(map(spaced, next(rows)[1])), rows


def spaced(name: str) -> str:
    """The name of a column with each white space in it, line breaks too, as one space.

    >>> spaced(" log\\nS ")
    'log S'
    """
    return " ".join(name.split())


class _Start:
    """Lines of a text that can be gone through again from its start, until they are taken for good."""

    def __init__(self, first: str, rest: Iterator[str]) -> None:
        self.seen, self.rest = [first], rest

    def __iter__(self) -> Iterator[str]:
        """All lines, for good: those that were seen, then the rest, which is not kept."""
        return chain(self.seen, self.rest)

    def again(self) -> Iterator[str]:
        """All lines, which are kept; up to LONGEST_LINE characters of them."""
        place = taken = 0
        while taken <= LONGEST_LINE:
            if place == len(self.seen):
                line = next(self.rest, None)
                if line is None:
                    return
                self.seen.append(line)
            taken += len(self.seen[place])
            yield self.seen[place]
            place += 1

    def separator(self, candidates: str, wanted: Sequence[str]) -> str:
        """The one that suits the first two rows best, the first of equals."""
        return max(candidates, key=lambda one: self._suits(one, wanted)) if len(candidates) > 1 else candidates

    def _suits(self, separator: str, wanted: Sequence[str]) -> tuple[int, bool, int]:
        rows: list[list[str]] = []
        with suppress(csv.Error):  # which is said when the rows are taken
            for row in islice(filter(None, csv_reader(self.again(), separator)), 2):
                rows.append(row)  # noqa: PERF402 (those before an error count)
        if not rows:
            return 0, False, 0
        names, cells = set(map(spaced, rows[0])), len(rows[0])
        return len(names.intersection(map(spaced, wanted))), cells > 1 and len(rows[-1]) == cells, cells


def _rows(
    text: Iterable[str], separator: str, where: str, *, before: int, warn: Warn
) -> Iterator[tuple[int, list[str]]]:
    inside: list[str] = []  # lines of this row, which quoted line ends may carry over any number of lines
    spans, count, width = [], 0, 0

    def counted() -> Iterator[str]:
        taken = 0
        for line in text:
            taken = len(line) + (taken if inside else 0)
            if taken > LONGEST_LINE:
                raise _too_long(where)
            inside.append(line)
            yield line

    reader, ended = csv_reader(counted(), separator), before
    try:
        for cells in reader:
            number, ended = ended + 1, before + reader.line_num
            width = width or len(cells)
            if ended > number and count and _suspicious(inside, separator, width):
                spans.append((number, ended))
            inside.clear()
            row = cells if len(cells) > 1 or "".join(cells).strip() else []
            count += bool(row)
            yield number, row
    except csv.Error as error:
        raise _not_csv(where, error, ended + 1, last=before + reader.line_num) from error
    if spans:
        warn(_about_long_rows(where, spans, count - 1, lines_read=ended - before))


def _suspicious(taken: Sequence[str], separator: str, width: int) -> bool:
    """Whether what was taken for one row may be several: it is long, or a line in it has as many cells as the header.

    A line is looked at without its quotes: those are what may be wrong.
    """
    return len(taken) > MOST_LINES or (width > 1 and any(line.count(separator) == width - 1 for line in taken[1:]))


def _not_csv(where: str, error: csv.Error, first: int, *, last: int) -> DataError:
    if "unexpected end" in str(error):
        return DataError(
            f"{where}, line {first}: this is not CSV: a quote is opened in the row that begins in this line, and none "
            f"closes it up to the end, line {last}; take it out, or write it twice in a cell in quotes"
        )
    rows = f"line {first}" if first == last else f"line {first}, in a row that goes on to line {last}"
    return DataError(f"{where}, {rows}: this is not CSV ({error}); a quote in a cell must be written twice, in quotes")


def _about_long_rows(where: str, spans: Sequence[tuple[int, int]], rows: int, *, lines_read: int) -> str:
    named = ", ".join(f"lines {first} to {last}" for first, last in spans[:MOST_SHOWN])
    more = f" and {len(spans) - MOST_SHOWN} more" if len(spans) > MOST_SHOWN else ""
    return (
        f"{where}: {rows} rows were read from {lines_read} lines, since quoted cells go on over line ends: "
        f"{named}{more} are one row each. If a quote there is stray, the rows under it were swallowed: take it out, or "
        "write it twice in a cell in quotes"
    )


def position(header: Sequence[str], column: str, where: str) -> int:
    """Where a column is; white space in names, line breaks too, counts as one space.

    Raises UsageError, with the nearest name, if there is none of this name; DataError if there are several.
    """
    column = spaced(column)
    if column not in header:
        raise unknown_name(f"column of {where}", column, [known for known in header if known])
    if header.count(column) > 1:
        raise DataError(f"{where}: {header.count(column)} columns are called {column!r}; rename all but one of them")
    return header.index(column)
