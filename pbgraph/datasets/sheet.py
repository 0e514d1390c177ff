"""A table file of the user's -> columns of text, each cell with a place by which the user finds it.

CSV (separated by commas, semicolons or tabs, whichever the header has most of), plain or gzip, in UTF-8, UTF-16 with
its mark, or else Latin-1, with any line ends; or Parquet. What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Any

from pbgraph.datasets.source import MAX_BYTES, capped, decompressed, too_long
from pbgraph.datasets.text_table import encoding, header_and_rows, position
from pbgraph.errors import DataError, UsageError
from pbgraph.records import sha256

PARQUET = b"PAR1"  # what such a file begins with
MOST_SHOWN = 5  # places in one message


@dataclass(frozen=True, eq=False)
class Sheet:
    """Columns of a file, n cells each.

    file     its name
    sha256   of its content, unpacked
    columns  name -> cells as text without white space around them, "" for an empty one
    places   where each row is: "line 2" of a CSV file, the header being line 1; "row 0" of Parquet, the first
    """

    file: str
    sha256: str
    columns: Mapping[str, tuple[str, ...]]
    places: tuple[str, ...]


def check_is_file(path: Path) -> None:
    """Raises UsageError for a folder, with a table in it; DataError if nothing has this name, with the nearest one."""
    if path.is_dir():
        tables = sorted(each.name for each in path.iterdir() if each.suffix in (".csv", ".gz", ".parquet"))
        example = f", e.g. {path / tables[0]}" if tables else ""
        raise UsageError(f"{path} is a folder; name the file in it{example}")
    if not path.exists():
        raise DataError(f"there is no file {path}{_near(path)}")


def _near(path: Path) -> str:
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(near[0])}?" if near else "; check its name and folder"


def read_content(path: Path) -> bytes:
    """The bytes of a table file, unpacked.

    Raises errors as `check_is_file`; DataError if it is damaged or longer than MAX_BYTES.
    """
    check_is_file(path)
    try:
        with path.open("rb") as file:
            content = capped(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable") from error
    return decompressed(content, str(path))


def read_sheet(file: str, content: bytes, wanted: Sequence[str]) -> Sheet:
    """The wanted columns of a table file.

    Raises UsageError for a column that the file lacks, with the nearest name; DataError if the file is no table, if it
    has no rows, or if a wanted name occurs twice in its header.
    """
    if content.startswith(PARQUET):
        columns, places = _parquet(file, content, wanted)
    else:
        columns, places = _csv(file, content, wanted)
    if not places:
        raise DataError(f"{file} has a header and no rows under it; supply the table itself")
    return Sheet(file, sha256(content), columns, places)


def shown(places: Sequence[str]) -> str:
    """The first few of many places.

    >>> shown(["line 2", "line 7"])
    'line 2, line 7'
    """
    more = len(places) - MOST_SHOWN
    return ", ".join(places[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _csv(file: str, content: bytes, wanted: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding([content], file), newline="")
    header, lines = header_and_rows(text, file)
    numbers = [position(header, name, file) for name in wanted]
    rows = [(number, row) for number, row in lines if row]
    ragged = [f"line {number}" for number, row in rows if len(row) != len(header)]
    if ragged:
        raise DataError(
            f"{file}: rows without the {len(header)} cells that the header has: {shown(ragged)}; a cell "
            "that holds the separator must be in quotes"
        )
    columns = {name: tuple(row[at].strip() for _, row in rows) for name, at in zip(wanted, numbers, strict=True)}
    return columns, tuple(f"line {number}" for number, _ in rows)


def _parquet(file: str, content: bytes, wanted: Sequence[str]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(pa.BufferReader(content))
        for name in wanted:
            position(table.schema_arrow.names, name, file)
        groups = [table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups)]
        if sum(groups) > MAX_BYTES:
            raise too_long(f"{file}, unpacked,")
        read = table.read(columns=list(wanted))
    except pa.ArrowException as error:
        raise DataError(f"{file} is damaged Parquet ({error}); write it anew") from error
    columns = {name: tuple(cell(value) for value in read.column(name).to_pylist()) for name in wanted}
    return columns, tuple(f"row {number}" for number in range(read.num_rows))


def cell(value: Any) -> str:
    """A value of a Parquet column as the text that CSV would have for it: "" for none, a midnight as its date.

    >>> from datetime import datetime
    >>> cell(None), cell(0.5), cell(datetime(2019, 5, 31)), cell(datetime(2019, 5, 31, 9, 30))
    ('', '0.5', '2019-05-31', '2019-05-31 09:30:00')
    """
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    return "" if value is None else str(value).strip()
