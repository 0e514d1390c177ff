"""Predictions of every test molecule and task of a run, in Parquet: what bootstraps and second looks need.

A file has a row for each measured cell: `row`, the place of the molecule among the test rows of the split, task, label
y, and score: of classification the probability of class 1, of regression the value. What else is known of a molecule
follows from the data, the split and its seed. These are the numbers that a record's test scores are of.

Earlier runs have written validation rows beside the test rows, molecules by their names, and of networks logits.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pbgraph import probabilities
from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.files.reading import MEBIBYTE, UnreadableError, read_bytes
from pbgraph.files.writing import new_file
from pbgraph.methods.roles import ENSEMBLE, EXTERNAL
from pbgraph.metrics import Kind
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec

if TYPE_CHECKING:
    import pyarrow as pa


LARGEST = 1024 * MEBIBYTE  # of a file
MOST_ROWS = 50_000_000
COLUMNS = {"row": "int32", "task": "string", "y": "float", "score": "float"}
EARLIER = {"split": "string", "mol_id": "string", "task": "string", "y": "float", "score": "float"}
GAVE_PROBABILITIES = ("fit", ENSEMBLE, EXTERNAL)  # methods whose scores were none in earlier files either
LEVEL = 19  # of zstd: it takes milliseconds


@dataclass(frozen=True)
class Predicted:
    """Test rows of one seed with the scores of two arms: y (n, T), NaN = not measured; a, b (n, T).

    A row without any label may not be there. Scores of earlier files may be logits: an increasing scale all the same.
    mol_ids  n names, of earlier files
    places   n places among the test rows of the split, else
    """

    y: np.ndarray
    a: np.ndarray
    b: np.ndarray
    mol_ids: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def select(self, rows: np.ndarray) -> Predicted:
        """The rows with these numbers."""
        names = tuple(self.mol_ids[row] for row in rows) if self.mol_ids else ()
        places = tuple(self.places[row] for row in rows) if self.places else ()
        return Predicted(self.y[rows], self.a[rows], self.b[rows], names, places)


def kept_scores(scores: np.ndarray, kind: Kind) -> np.ndarray:
    """(n, T) float32 as files keep them, of probabilities or values.

    Raises ValueError for probabilities outside of [0, 1].
    """
    return probabilities.kept(scores) if kind == "classification" else np.asarray(scores, np.float32)


def write_predictions(path: Path, y: np.ndarray, scores: np.ndarray, *, tasks: Sequence[str]) -> str:
    """Write one row per measured cell of the test rows, and return the SHA-256 of the file's content.

    y, scores  (n, T): labels, NaN = not measured, and what `kept_scores` gives
    Columns: row (int32), task (string), y, score (float32).
    A file left by a run that ended between its predictions and its record is replaced.
    """
    import pyarrow as pa
    from pyarrow import parquet  # a third of a second, which a worker need not wait for before it trains

    row, target = np.nonzero(~np.isnan(y))
    table = pa.table(
        {
            "row": pa.array(row, pa.int32()),
            "task": pa.array(np.asarray(tasks, dtype=object)[target], pa.string()),
            "y": pa.array(y[row, target], pa.float32()),
            "score": pa.array(scores[row, target], pa.float32()),
        }
    )
    path.unlink(missing_ok=True)
    with new_file(path) as part:
        parquet.write_table(
            table,
            part,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=["task", "y"],
            column_encoding={"row": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"},
            write_statistics=False,
            store_schema=False,
        )
        digest = sha256(part.read_bytes())
    return digest


def paired_predictions(results: ResultsFolder, a: RunRecord, b: RunRecord) -> Predicted:
    """The test rows of two runs that share a split, with the scores of both; errors as of `aligned_predictions`."""
    return aligned_predictions(results, [a, b])[1]


def aligned_predictions(results: ResultsFolder, runs: Sequence[RunRecord]) -> list[Predicted]:
    """The test rows of runs that share a split, all in one order: of each run with the scores of the first and its own.

    They are in the order of their names if all files have these, else in that of the split.
    Raises FileNotFoundError if a file is not there, DataError if one is not that of its record or they do not pair.
    """
    files = {run.key: cells_of_test(results, run) for run in {run.key: run for run in runs}.values()}
    by_name, first = all(map(is_earlier, files.values())), runs[0]
    cells = {
        key: (_molecules(table, by_name=by_name), *(table.column(n).to_pylist() for n in ("task", "y")))
        for key, table in files.items()
    }
    for run in runs:
        same_split = by_name or run.provenance.split_sha256 == first.provenance.split_sha256
        if cells[run.key] != cells[first.key] or not same_split:
            raise DataError(
                f"predictions of runs {first.key} and {run.key} are not of the same cells: they had different splits"
            )
    molecules, tasks, y = cells[first.key]
    (names, rows), (_, columns) = (np.unique(each, return_inverse=True) for each in (molecules, tasks))

    def grid(values: Sequence[float] | np.ndarray) -> np.ndarray:
        filled = np.full((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), np.nan)
        filled[rows, columns] = values
        return filled

    labels, scores = grid(y), {key: grid(table.column("score").to_numpy()) for key, table in files.items()}
    mol_ids = tuple(map(str, names)) if by_name else ()
    places = () if by_name else _places(next(table for table in files.values() if not is_earlier(table)))
    return [Predicted(labels, scores[first.key], scores[run.key], mol_ids, places) for run in runs]


def _places(table: pa.Table) -> tuple[int, ...]:
    return tuple(np.unique(table.column("row").to_numpy()).tolist())


def _molecules(table: pa.Table, *, by_name: bool) -> list[str] | list[int]:
    """Of each cell, the name of its molecule; or its number among those that have cells, in the order of the split."""
    if not is_earlier(table):
        return list(np.unique(table.column("row").to_numpy(), return_inverse=True)[1].tolist())
    names: list[str] = table.column("mol_id").to_pylist()
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return names if by_name else [order[name] for name in names]


def predictions_in(content: bytes, path: Path) -> pa.Table:
    """What a run's file holds: COLUMNS, or of an earlier one EARLIER, strings plain and numbers float64, without gaps.

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
        there = {field.name: _kind(field.type) for field in file.schema_arrow}
        expected = EARLIER if "split" in there else COLUMNS
        if list(there.items()) != list(expected.items()) or len(there) != len(file.schema_arrow):
            raise UnreadableError(f"it has the columns {_described(there)}, expected {_described(expected)}")
        table = file.read().select(list(there)).cast(_schema(there))
        if any(column.null_count for column in table.columns):
            raise UnreadableError("it has cells without a value")
        if not all(pc.all(pc.is_finite(table.column(name))).as_py() in (True, None) for name in ("y", "score")):
            raise UnreadableError("it has scores that are not finite")
    except (UnreadableError, pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} does not hold predictions ({error}); restore it") from error
    return table


def is_earlier(table: pa.Table) -> bool:
    """Whether a file is of the form that earlier runs have written."""
    return "split" in table.column_names


def of_part(table: pa.Table, part: str) -> pa.Table:
    """The cells of a part of the split, which is all or nothing of a file that has test rows alone."""
    import pyarrow.compute as pc

    if is_earlier(table):
        return table.filter(pc.equal(table.column("split"), part))
    return table if part == "test" else table.slice(0, 0)


def as_kept(spec: RunSpec, scores: np.ndarray, kind: Kind) -> np.ndarray:
    """What would be kept today of scores (n, T) in an earlier file of this run."""
    logits = kind == "classification" and spec.method not in GAVE_PROBABILITIES
    return kept_scores(probabilities.of_logits(scores) if logits else scores, kind)


def cells_of_test(results: ResultsFolder, record: RunRecord) -> pa.Table:
    """The measured cells of the test rows in a run's file, in the order in which they were written.

    Raises FileNotFoundError if the file is not there, DataError if it is not that of its record.
    """
    path = results.predictions_path(record.spec)
    if not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        content = read_bytes(path, LARGEST)
    except (UnreadableError, OSError) as error:
        raise DataError(f"{path} does not hold predictions ({error}); restore it") from error
    if sha256(content) != record.predictions_sha256:
        raise DataError(f"{path} is not the file that record {record.key} was written with; restore it")
    return of_part(predictions_in(content, path), "test")


def _kind(type_: pa.DataType) -> str:
    import pyarrow.types as pt

    plain = type_.value_type if pt.is_dictionary(type_) else type_
    return "string" if pt.is_string(plain) else "float" if pt.is_floating(plain) else str(plain)


def _described(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items())


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa

    kinds = {"string": pa.string(), "float": pa.float64(), "int32": pa.int32()}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
