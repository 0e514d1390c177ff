"""A table file -> columns of text, each cell with a place by which it is found again; decoded once, then in the cache.

CSV (separated by commas, semicolons or tabs, whichever suits its header), plain or gzip, in UTF-8, UTF-16 with its
mark, or else Windows-1252, with any line ends; or Parquet. What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import difflib
import logging
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import whitespace
from typing import BinaryIO, NamedTuple

import msgspec

from pbgraph.datasets import source
from pbgraph.datasets.parquet import PARQUET, column_names, read_parquet
from pbgraph.datasets.text_table import header_and_rows, position, text
from pbgraph.errors import DataError, UsageError
from pbgraph.files.cache import cached
from pbgraph.files.hashing import Scalar, canonical_json, sha256

log = logging.getLogger(__name__)

VERSION = 1  # of the rules by which a file is decoded; raise it when the same bytes would give other cells
MAX_ROWS = 5_000_000  # of a table, so that one of short rows does not fill the memory
BATCH, BATCH_CHARACTERS = 2**16, 2**22  # rows of Parquet at a time, and characters
MOST_SHOWN = 5  # places in one message


@dataclass(frozen=True, eq=False)
class Sheet:
    """Columns of a file, n cells each.

    file     its name
    sha256   of its content, unpacked
    columns  name -> cells as text without (ASCII) white space around them, "" for an empty one;
             or with it, if so asked for
    places   where each row begins: "line 2" of a CSV file, the header being line 1; "row 0" of Parquet, the first
    """

    file: str
    sha256: str
    columns: Mapping[str, tuple[str, ...]]
    places: tuple[str, ...]


class Decoded(NamedTuple):
    """What is kept of a file: cells by column, in the order in which they were wanted, places, and what to warn of."""

    cells: list[tuple[str, ...]]
    places: tuple[str, ...]
    warnings: list[str]


def check_is_file(path: Path) -> None:
    """Raises UsageError for a folder, with a table in it; DataError if nothing has this name, with the nearest one."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"there is no file {path}{_near(path)}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name another file") from error
    if stat.S_ISDIR(found.st_mode):
        tables = sorted(each.name for each in path.iterdir() if each.suffix in (".csv", ".gz", ".parquet"))
        example = f", e.g. {path / tables[0]}" if tables else ""
        raise UsageError(f"{path} is a folder; name the file in it{example}")


def _near(path: Path) -> str:
    if path.is_symlink():
        return f": it is a link to {path.readlink()}, which is not there"
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(near[0])}?" if near else "; check its name and folder"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to be read. Raises DataError, while it is read too, where the system does not let it be."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); make it readable") from error


def read_content(path: Path) -> bytes:
    """The bytes of a table file, unpacked.

    Raises errors as `check_is_file`; DataError if it is damaged or longer than `source.MAX_BYTES`.
    """
    check_is_file(path)
    with opened(path) as file:
        content = source.capped(file.read(source.MAX_BYTES + 1), str(path))
    return source.decompressed(content, str(path))


def header_of(file: str, content: bytes, wanted: Sequence[str] = ()) -> list[str]:
    """The names of all columns of a table file; wanted: some that it should have, which tell its separator.

    Raises DataError if the file is no table.
    """
    if content.startswith(PARQUET):
        return column_names(content, file)
    return header_and_rows(text(content, file, warn=len), file, wanted, warn=len)[0]  # warnings come with the rows


def read_sheet(file: str, content: bytes, wanted: Sequence[str], *, spaces: bool = False) -> Sheet:
    """The wanted columns of a table file, from the cache or decoded now; what is doubtful in it costs a warning.

    spaces  keep white space around cells of text, which hashes of names and structures in records may cover
    Raises UsageError for a column that the file lacks, with the nearest name; DataError if the file is no table, if it
    has no rows or more than MAX_ROWS, or if a wanted name occurs twice in its header.
    """
    if any(map(_is_no_text, wanted)):
        _decoded(file, content, wanted, spaces=spaces)  # says that there is no such column
    digest = sha256(content)
    columns = canonical_json(wanted).decode()
    key: dict[str, Scalar] = {"version": VERSION, "sha256": digest, "file": file, "columns": columns, "spaces": spaces}
    kept = cached("table", key, lambda: msgspec.json.encode(_decoded(file, content, wanted, spaces=spaces)))
    cells, places, warnings = msgspec.json.decode(kept, type=Decoded)
    for warning in warnings:
        log.warning("%s", warning)
    return Sheet(file, digest, dict(zip(wanted, cells, strict=True)), places)


def _is_no_text(name: str) -> bool:
    """Whether no table can have this name: what a command line in another encoding leaves of a letter."""
    return any("\ud800" <= letter <= "\udfff" for letter in name)


def _decoded(file: str, content: bytes, wanted: Sequence[str], *, spaces: bool) -> Decoded:
    if content.startswith(PARQUET):
        decoded = _parquet(file, content, wanted)
    else:
        decoded = _csv(file, content, wanted, around="" if spaces else whitespace)
    if not decoded.places:
        raise DataError(f"{file} has a header and no rows under it; supply the table itself")
    return decoded


def shown(places: Sequence[str]) -> str:
    """The first few of many places.

    >>> shown(["line 2", "line 7"])
    'line 2, line 7'
    """
    more = len(places) - MOST_SHOWN
    return ", ".join(places[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _csv(file: str, content: bytes, wanted: Sequence[str], *, around: str) -> Decoded:
    """The columns of a text; around: characters that are no part of a cell at its ends."""
    warnings: list[str] = []
    header, rows = header_and_rows(text(content, file, warnings.append), file, wanted, warn=warnings.append)
    numbers = [position(header, name, file) for name in wanted]
    columns: list[list[str]] = [[] for _ in wanted]
    places: list[str] = []
    ragged: list[str] = []
    for line, row in rows:
        if row and len(row) != len(header):
            ragged.append(f"line {line}")
        elif row:
            places.append(f"line {line}")
            for column, at in zip(columns, numbers, strict=True):
                column.append(row[at].strip(around))
            _check_count(file, len(places))
    if ragged:
        raise DataError(
            f"{file}: rows without the {len(header)} cells that the header has: {shown(ragged)}; a cell "
            "that holds the separator must be in quotes"
        )
    return Decoded(list(map(tuple, columns)), tuple(places), warnings)


def _check_count(file: str, rows: int) -> None:
    if rows > MAX_ROWS:
        raise DataError(f"{file} has more than {MAX_ROWS:,} rows, the most that a table may have; supply a part of it")


def _parquet(file: str, content: bytes, wanted: Sequence[str]) -> Decoded:
    columns: list[list[str]] = [[] for _ in wanted]
    characters = 0
    for piece in read_parquet(content, file, wanted, rows=BATCH, most=BATCH_CHARACTERS):
        for column, cells in zip(columns, piece, strict=True):
            column.extend(cells)
            characters += sum(map(len, cells))
        _check_count(file, len(columns[0]))
        if characters > source.MAX_BYTES:
            raise source.too_long(f"{file}, unpacked,")
    places = tuple(f"row {number}" for number in range(len(columns[0])))
    return Decoded(list(map(tuple, columns)), places, [])
