"""Vectors of whole molecules that a file of the user's gives, made elsewhere, e.g. by a network trained on other data.

``embeddings:PATH.parquet``, alone or beside graphs as in ``graph+embeddings:PATH.parquet``. The file has a column
``inchikey`` of text, the standard InChIKey of the whole structure (RDKit's canonical SMILES for the few of which InChI
knows none), and columns of numbers, which are the vector. The file says what the network was trained on: the entry
``pretrained_on`` of its Parquet metadata. Nothing is computed or fetched here, and what is in the file enters the key
of every run by its hash.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import JOINED, Featuriser
from pbgraph.features.vectors import VectorStore
from pbgraph.files.reading import UnreadableError, read_bytes
from pbgraph.registry import Namespace
from pbgraph.structures.facts import keys
from pbgraph.terminal import visible_cell

KEY = "inchikey"  # the column, in any case
STATED = b"pretrained_on"  # entry of the metadata
UNSTATED = "not stated"
LARGEST = 4 * 2**30  # bytes of a file
MOST_NUMBERS = 2**29  # of all vectors
SHOWN = 3  # molecules that a message names


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a file holds.

    rows           InChIKey -> row of x
    x              (rows, D) float32, NaN = undefined
    pretrained_on  what the file says its network was trained on, or "not stated"
    """

    rows: Mapping[str, int]
    x: np.ndarray
    pretrained_on: str


def of_file(name: str) -> Featuriser:
    """The featuriser ``embeddings:NAME``; the file is read when it is needed. Raises UsageError for no such path."""
    if not name.endswith(".parquet") or JOINED in name or "," in name or not name.isprintable():
        raise UsageError(
            f"features 'embeddings:{name:.200}': expected embeddings:PATH.parquet, a path without {JOINED!r} and comma"
        )
    path = Path(name)
    return Featuriser(
        name=f"embeddings:{name}",
        version=1,
        featurise=partial(_featurise, path),
        from_arrays=VectorStore.from_arrays,
        source=f"the vectors in {name}",
        files={f"embeddings:{name}": path},
        pretrained_on=lambda: vectors(path).pretrained_on,
        blank=partial(_blank, path),
    )


def vectors(path: Path) -> Vectors:
    """The vectors in a file. Raises DataError, naming it, if it cannot be read or is not of this form."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise DataError(
            f"the embeddings {path} cannot be read ({error.strerror}); put the file there, or name where it is"
        ) from error
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int, _size: int) -> Vectors:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(pa.BufferReader(read_bytes(path, LARGEST))) as file:
            schema, numbers = file.schema_arrow, file.metadata.num_rows * file.metadata.num_columns
            if numbers > MOST_NUMBERS:
                raise DataError(f"{path} holds {numbers:,} numbers; expected at most {MOST_NUMBERS:,}")
            columns = _columns(path, schema)
            table = file.read()
    except UnreadableError as error:
        raise DataError(f"the embeddings {path} cannot be read ({error}); put the file there") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is damaged Parquet; write it anew") from error
    x = np.empty((table.num_rows, len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        with np.errstate(over="ignore"):
            x[:, place] = table.column(column).to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    x[~np.isfinite(x)] = np.nan
    stated = (schema.metadata or {}).get(STATED, b"").decode("utf-8", "replace").strip()
    names = table.column(_key_column(path, schema)).to_pylist()
    return Vectors(_rows(path, names, x), x, visible_cell(stated)[:200] or UNSTATED)


def _key_column(path: Path, schema: Any) -> int:
    found = [place for place, name in enumerate(schema.names) if name.lower() == KEY]
    if len(found) != 1:
        raise DataError(f"{path} has {len(found)} columns {KEY!r}; expected one, with the InChIKey of each molecule")
    return found[0]


def _columns(path: Path, schema: Any) -> list[int]:
    """The numbers of the columns that are the vector."""
    from pyarrow import types

    key = _key_column(path, schema)
    others = [place for place in range(len(schema.names)) if place != key]
    for place in others:
        kind = schema.field(place).type
        if not (types.is_floating(kind) or types.is_integer(kind)):
            name = visible_cell(schema.names[place])[:60]
            raise DataError(f"{path}: column {name!r} holds {kind}; expected numbers in all but {KEY!r}")
    if not others:
        raise DataError(f"{path} has no column of numbers beside {KEY!r}")
    return others


def _rows(path: Path, names: Sequence[Any], x: np.ndarray) -> dict[str, int]:
    """InChIKey -> its row, the first of several that are the same."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise DataError(f"{path}: row {row + 1} has no InChIKey")
        first = rows.setdefault(name, row)
        if not np.array_equal(x[first], x[row], equal_nan=True):
            same = f"rows {first + 1} and {row + 1} are both {visible_cell(name)[:60]}"
            raise DataError(f"{path}: {same}, with other numbers; keep one")
    return rows


def _featurise(path: Path, smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    known, wanted = vectors(path), keys(smiles)
    missing = [place for place, key in enumerate(wanted) if key not in known.rows]
    if missing:
        named = ", ".join(f"{visible_cell(smiles[place])[:80]} ({wanted[place]})" for place in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(
            f"{path} has no vector of {len(missing)} of {len(smiles)} molecules: {named}{more}; add them to the file, "
            "or leave these rows out"
        )
    rows = [known.rows[key] for key in wanted]
    return VectorStore(known.x[rows].reshape(len(smiles), -1), y.astype(np.float32), 0)


def _blank(path: Path, y: np.ndarray) -> VectorStore:
    """Molecules without a vector, with labels y (n, T)."""
    return VectorStore(np.zeros((len(y), vectors(path).x.shape[1]), np.float32), y.astype(np.float32), 0)


EMBEDDINGS = Namespace(version=1, resolve=of_file, source="vectors of a Parquet file of yours, by InChIKey")
