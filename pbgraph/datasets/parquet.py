"""Columns of a Parquet file as text, a few rows at a time: a small file may unpack to any size, so it is never whole
in memory, and text of which a few values are repeated stays packed until its size is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbgraph.datasets.text_table import LONGEST_LINE, position, spaced
from pbgraph.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = b"PAR1"  # what such a file begins with

Columns = tuple[tuple[str, ...], ...]


def read_parquet(source: Path | bytes, where: str, wanted: Sequence[str], *, rows: int, most: int) -> Iterator[Columns]:
    """The wanted columns, in that order, of successive rows.

    source  a file, or what is in one
    rows, most  of one piece: so many rows at the most, and characters, unless a single row has more
    Raises UsageError and DataError as `position`; DataError if the file is damaged, a column is not of text, numbers,
    dates or truth values, or a cell has LONGEST_LINE characters.
    """
    import pyarrow as pa
    from pyarrow import parquet

    def opened(packed: Sequence[str] = ()) -> Any:
        return parquet.ParquetFile(
            pa.BufferReader(source) if isinstance(source, bytes) else source, read_dictionary=list(packed)
        )

    with _damage_said(where):
        with opened() as file:
            schema = file.schema_arrow
        names = list(map(spaced, schema.names))
        fields = [schema.field(position(names, column, where)) for column in wanted]
        _check_types(fields, where)
        with opened([field.name for field in fields if _is_text(field.type)]) as file:
            for batch in file.iter_batches(batch_size=rows, columns=[field.name for field in fields]):
                columns = [batch.column(field.name) for field in fields]
                for first, last in _pieces([_lengths(column) for column in columns], where, most):
                    yield tuple(tuple(_cells(column.slice(first, last - first))) for column in columns)


def column_names(source: bytes, where: str) -> list[str]:
    """The names of all columns. Raises DataError if the file is damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    with _damage_said(where), parquet.ParquetFile(pa.BufferReader(source)) as file:
        return list(map(spaced, file.schema_arrow.names))


@contextmanager
def _damage_said(where: str) -> Iterator[None]:
    """What reading a file raises that is not as it should be -> DataError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{where} is damaged Parquet, or has values that are no text; write it anew") from error


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    texts = (types.is_string, types.is_large_string, types.is_string_view)
    return any(test(kind) for test in (*texts, types.is_binary, types.is_large_binary, types.is_binary_view))


def _check_types(fields: Sequence[pa.Field], where: str) -> None:
    from pyarrow import types

    for field in fields:
        value = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_nested(value):
            raise DataError(
                f"{where}: column {field.name!r} holds {field.type}; expected text, numbers, dates or truth values"
            )


def _lengths(column: pa.Array) -> Any:
    """Characters or so of each cell, (n,) int64, without unpacking the cells."""
    import numpy as np
    import pyarrow.compute as pc
    from pyarrow import types

    if not types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        return np.ones(len(column), dtype=np.int64)
    lengths = pc.fill_null(pc.binary_length(column.dictionary).take(column.indices), 0)
    return lengths.to_numpy(zero_copy_only=False).astype(np.int64)


def _pieces(lengths: Sequence[Any], where: str, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows that have up to `most` characters together, or are single rows."""
    import numpy as np

    total = np.sum(lengths, axis=0)
    if len(total) and max(length.max() for length in lengths) >= LONGEST_LINE:
        raise DataError(f"{where} has a cell of {LONGEST_LINE} characters or more, so it is no table of molecules")
    first = 0
    while first < len(total):
        fits = int(np.searchsorted(np.cumsum(total[first:]), most, side="right"))
        last = first + max(fits, 1)
        yield first, last
        first = last


def _cells(column: pa.Array) -> Iterator[str]:
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_binary(column.type) or types.is_large_binary(column.type) or types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary()).cast(pa.string())
    return map(cell, column.to_pylist())


def cell(value: Any) -> str:
    """A value of a Parquet column as the text that CSV would have for it: "" for none, a midnight as its date.

    >>> from datetime import datetime
    >>> cell(None), cell(0.5), cell(datetime(2019, 5, 31)), cell(datetime(2019, 5, 31, 9, 30))
    ('', '0.5', '2019-05-31', '2019-05-31 09:30:00')
    """
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    return "" if value is None else str(value).strip(" \t\r\n\f\v")
