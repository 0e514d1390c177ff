"""Scores of every molecule and task of a run, in Parquet: what bootstraps and second looks need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pbgraph.datasets.base import Molecules
from pbgraph.records import new_file, sha256

if TYPE_CHECKING:
    import pyarrow as pa

Scored = Mapping[str, tuple[np.ndarray, np.ndarray]]


def write_predictions(path: Path, molecules: Molecules, tasks: Sequence[str], scored: Scored) -> str:
    """Write one row per measured cell, and return the SHA-256 of the file's content.

    scored  split name -> (index (n,) into the accepted rows, scores (n, T))
    Columns: split, mol_id, task (strings), y (float32, 0 or 1), score (float64).
    A file left by a run that ended between its predictions and its record is replaced.
    """
    import pyarrow as pa
    from pyarrow import parquet  # a third of a second, which a worker need not wait for before it trains

    table = pa.concat_tables(_rows(molecules, tasks, name, index, score) for name, (index, score) in scored.items())
    path.unlink(missing_ok=True)
    with new_file(path) as part:
        parquet.write_table(table, part, compression="zstd")
        digest = sha256(part.read_bytes())
    return digest


def _rows(molecules: Molecules, tasks: Sequence[str], split: str, index: np.ndarray, score: np.ndarray) -> pa.Table:
    import pyarrow as pa

    y = molecules.y[index]
    molecule, task = np.nonzero(~np.isnan(y))
    ids = np.asarray(molecules.mol_ids, dtype=object)[index]
    return pa.table(
        {
            "split": pa.array([split] * len(molecule)).dictionary_encode(),
            "mol_id": pa.array(ids[molecule], pa.string()),
            "task": pa.array(np.asarray(tasks, dtype=object)[task], pa.string()).dictionary_encode(),
            "y": pa.array(y[molecule, task], pa.float32()),
            "score": pa.array(score[molecule, task], pa.float64()),
        }
    )
