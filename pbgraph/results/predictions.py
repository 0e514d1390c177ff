"""Scores of every molecule and task of a run, in Parquet: what bootstraps and second looks need."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.files.writing import new_file
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord

if TYPE_CHECKING:
    import pyarrow as pa

    from pbgraph.molecules import Molecules


LARGEST = 1024 * MEBIBYTE  # of a file
MOST_ROWS = 50_000_000
COLUMNS = {"split": "string", "mol_id": "string", "task": "string", "y": "float", "score": "float"}


@dataclass(frozen=True)
class Predicted:
    """Test rows of one seed with the scores of two arms: y (n, T), NaN = not measured; a, b (n, T).

    mol_ids  n names, where they are known
    """

    y: np.ndarray
    a: np.ndarray
    b: np.ndarray
    mol_ids: tuple[str, ...] = ()

    def select(self, rows: np.ndarray) -> Predicted:
        """The rows with these numbers."""
        names = tuple(self.mol_ids[row] for row in rows) if self.mol_ids else ()
        return Predicted(self.y[rows], self.a[rows], self.b[rows], names)


Scored = Mapping[str, tuple[np.ndarray, np.ndarray]]


def write_predictions(path: Path, molecules: Molecules, tasks: Sequence[str], *, scored: Scored) -> str:
    """Write one row per measured cell, and return the SHA-256 of the file's content.

    scored  split name -> (index (n,) into the accepted rows, scores (n, T))
    Columns: split, mol_id, task (strings), y (float32), score (float64).
    A file left by a run that ended between its predictions and its record is replaced.
    """
    import pyarrow as pa
    from pyarrow import parquet  # a third of a second, which a worker need not wait for before it trains

    table = pa.concat_tables(
        _rows(molecules, tasks, name, index=index, score=score) for name, (index, score) in scored.items()
    )
    path.unlink(missing_ok=True)
    with new_file(path) as part:
        parquet.write_table(table, part, compression="zstd")
        digest = sha256(part.read_bytes())
    return digest


def _rows(molecules: Molecules, tasks: Sequence[str], split: str, *, index: np.ndarray, score: np.ndarray) -> pa.Table:
    import pyarrow as pa

    y = molecules.y[index]
    molecule, target = np.nonzero(~np.isnan(y))
    ids = np.asarray(molecules.mol_ids, dtype=object)[index]
    return pa.table(
        {
            "split": pa.array([split] * len(molecule)).dictionary_encode(),
            "mol_id": pa.array(ids[molecule], pa.string()),
            "task": pa.array(np.asarray(tasks, dtype=object)[target], pa.string()).dictionary_encode(),
            "y": pa.array(y[molecule, target], pa.float32()),
            "score": pa.array(score[molecule, target], pa.float64()),
        }
    )


def paired_predictions(results: ResultsFolder, a: RunRecord, b: RunRecord) -> Predicted:
    """The test rows of two runs that share a split, with the scores of both.

    Raises FileNotFoundError if a file is not there, DataError if one is not that of its record or they do not pair.
    """
    of_run = _read(results, a)
    tables = [of_run, of_run if b.key == a.key else _read(results, b)]
    keys = [[table.column(name).to_pylist() for name in ("mol_id", "task", "y")] for table in tables]
    if keys[0] != keys[1]:
        raise DataError(f"predictions of runs {a.key} and {b.key} are not of the same cells: they had different splits")
    mol_ids, tasks, y = keys[0]
    (names, rows), (_, columns) = (np.unique(each, return_inverse=True) for each in (mol_ids, tasks))
    grids = np.full((3, rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), np.nan)
    for grid, values in zip(grids, (y, *(table.column("score").to_numpy() for table in tables)), strict=True):
        grid[rows, columns] = values
    labels, of_a, of_b = grids
    return Predicted(labels, of_a, of_b, tuple(map(str, names)))


def predictions_in(content: bytes, path: Path) -> pa.Table:
    """What a run's file holds: the columns that `write_predictions` writes, as strings and float64, without gaps.

    path  for messages
    Raises DataError if it is no such file, has other columns, or scores or labels that are not finite.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        if file.metadata.num_rows > MOST_ROWS:
            raise UnreadableError(
                f"it has {file.metadata.num_rows:,} rows, and {MOST_ROWS:,} are the most that are read"
            )
        if (there := [(field.name, _kind(field.type)) for field in file.schema_arrow]) != list(COLUMNS.items()):
            raise UnreadableError(f"it has the columns {_described(there)}, expected {_described(COLUMNS.items())}")
        table = file.read().select(list(COLUMNS)).cast(_schema())
        if any(column.null_count for column in table.columns):
            raise UnreadableError("it has cells without a value")
        if not all(pc.all(pc.is_finite(table.column(name))).as_py() in (True, None) for name in ("y", "score")):
            raise UnreadableError("it has scores that are not finite")
    except (UnreadableError, pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} does not hold predictions ({error}); restore it") from error
    return table


def _read(results: ResultsFolder, record: RunRecord) -> pa.Table:
    """The test rows of a run's file, verified."""
    import pyarrow.compute as pc

    path = results.predictions_path(record.spec)
    if not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        content = read_bytes(path, LARGEST)
    except (UnreadableError, OSError) as error:
        raise DataError(f"{path} does not hold predictions ({error}); restore it") from error
    if sha256(content) != record.predictions_sha256:
        raise DataError(f"{path} is not the file that record {record.key} was written with; restore it")
    table = predictions_in(content, path)
    return table.filter(pc.equal(table.column("split"), "test"))


def _kind(type_: pa.DataType) -> str:
    import pyarrow.types as pt

    plain = type_.value_type if pt.is_dictionary(type_) else type_
    return "string" if pt.is_string(plain) else "float" if pt.is_floating(plain) else str(plain)


def _described(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns)


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"string": pa.string(), "float": pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
