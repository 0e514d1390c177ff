"""Splits as files, for tools that are not ours: what each trains, selects and is tested on, with labels.

    FOLDER/<task>.csv                     all accepted molecules: names, structures, labels
    FOLDER/<task>-<split>-<seed>/train.csv, valid.csv, test.csv   the same columns, each part in its order
    FOLDER/<task>-<split>-<seed>/splits.json   numbers of rows of <task>.csv, as chemprop's ``--splits-file`` takes them

A split without seeds has a folder <task>-<split>. Labels are numbers, and blank where nothing was measured.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pbgraph.files.writing import replaced_file
from pbgraph.molecules import Molecules
from pbgraph.splits.base import Split

PARTS = {"train": "train", "valid": "val", "test": "test"}  # of ours -> what chemprop calls them


def write_molecules(
    path: Path, molecules: Molecules, columns: Sequence[str], rows: Iterable[int] | None = None
) -> None:
    """Write the molecules with these numbers, or all, as CSV; an older file is replaced.

    columns  names of the columns of names, of structures and of the numbers beside these; those of labels are the tasks
    """
    beside = np.zeros((len(molecules), 0), dtype=np.float32) if molecules.columns is None else molecules.columns
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([*columns, *molecules.tasks])
        for row in range(len(molecules)) if rows is None else rows:
            numbers = [*beside[row], *molecules.y[row]]
            out.writerow([molecules.mol_ids[row], molecules.smiles[row], *map(_cell, numbers)])


def write_split(folder: Path, molecules: Molecules, split: Split, columns: Sequence[str]) -> None:
    """Write the three parts of a split, and their numbers; columns as for `write_molecules`."""
    for part in PARTS:
        write_molecules(folder / f"{part}.csv", molecules, columns, getattr(split, part))
    numbers = {theirs: getattr(split, ours).tolist() for ours, theirs in PARTS.items()}
    with replaced_file(folder / "splits.json") as part_file:
        part_file.write_text(json.dumps([numbers]) + "\n", encoding="utf-8")


def _cell(number: np.float32) -> str:
    """The shortest text that gives the number again; blank for what was not measured.

    >>> [_cell(np.float32(x)) for x in (1, 0.1, -2.5e-8, float("nan"))]
    ['1', '0.1', '-0.000000025', '']
    """
    return "" if np.isnan(number) else np.format_float_positional(number, trim="-")
