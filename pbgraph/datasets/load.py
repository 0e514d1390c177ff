"""The CSV of a data set -> molecules with labels; every row that is left out is counted and named."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.labels import EXPECTED, fitting_labels
from pbgraph.datasets.rows import accepted, names_of
from pbgraph.datasets.sheet import Sheet, header_of, read_sheet
from pbgraph.datasets.source import find
from pbgraph.metrics import Kind
from pbgraph.molecules import Molecules, Rejected
from pbgraph.stages import stage
from pbgraph.structures.smiles import shortened
from pbgraph.structures.usable import unusable

log = logging.getLogger(__name__)

MOST_SHOWN = 2  # rejected rows in one warning


def load(dataset: Dataset, *, folder: Path | None = None, offline: bool = False) -> Molecules:
    """Find or fetch the file of a data set and read it.

    folder   looked in first (``--data``)
    offline  do not fetch
    Rows that were left out are named in one warning. Raises DataError if the file cannot be had or read.
    """
    with stage("reading"):
        if dataset.load is not None:
            molecules = dataset.load(folder)
        else:
            molecules = read(dataset, find(dataset, folder=folder, offline=offline))
    if molecules.rejected:
        total = len(molecules) + len(molecules.rejected)
        log.warning(
            "%s: %d of %d rows left out, counted from 0 below the header: %s",
            dataset.name,
            len(molecules.rejected),
            total,
            _listed(dataset, molecules.rejected),
        )
    return molecules


def make_ready(dataset: Dataset, *, folder: Path | None = None, offline: bool = False) -> None:
    """Have all that `load` needs at hand, so that what is missing is said once, before any run; arguments and errors
    as for `load`.
    """
    if dataset.load is not None:
        dataset.load(folder)
    else:
        find(dataset, folder=folder, offline=offline)


def _listed(dataset: Dataset, rejected: Sequence[Rejected]) -> str:
    shown = "; ".join(f"row {row.row} ({row.mol_id}): {row.reason}" for row in rejected[:MOST_SHOWN])
    more = len(rejected) - MOST_SHOWN
    if more <= 0:
        return shown
    by_command = dataset.load is None  # a table of the user's may not be known by its name yet
    listing = f" and 'python -m pbgraph.bench data audit {quote(dataset.name)}'" if by_command else ""
    return f"{shown}; and {more} more, which every record{listing} lists"


def read(dataset: Dataset, content: bytes) -> Molecules:
    """Read the table of a data set.

    A row is rejected if a label is not of the data set's kind, or if RDKit cannot parse the SMILES or finds no atom in
    it. Raises DataError if it is no table or has no row, a column is missing, or a name is blank or occurs twice.
    """
    about = [column for column in (dataset.smiles_column, dataset.id_column) if column is not None]
    named = dataset.tasks if isinstance(dataset.tasks, tuple) else ()
    targets = dataset.label_columns(header_of(dataset.file, content, [*about, *named]))
    sheet = read_sheet(dataset.file, content, [*about, *targets], spaces=True)
    y, unfit = fitting_labels(sheet, targets, dataset.kind)
    return accepted(
        dataset.name,
        sheet,
        {**unusable(dataset.name, sheet.columns[dataset.smiles_column]), **_unfit_rows(sheet, unfit, dataset.kind)},
        smiles=dataset.smiles_column,
        mol_ids=names_of(sheet, dataset.id_column) if dataset.id_column else list(map(str, range(len(sheet.places)))),
        targets=targets,
        y=y,
    )


def _unfit_rows(sheet: Sheet, unfit: Mapping[str, Sequence[int]], kind: Kind) -> dict[int, str]:
    """Why the labels of rows cannot be used; unfit: target -> rows whose cells are not of this kind."""
    wrong: dict[int, list[str]] = {}
    for target, rows in unfit.items():
        for row in rows:
            wrong.setdefault(row, []).append(f"{target} is {shortened(sheet.columns[target][row])!r}")
    return {row: f"label {', '.join(cells)}; expected {EXPECTED[kind]}" for row, cells in wrong.items()}
