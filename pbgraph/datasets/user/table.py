"""A table of the user's own as a task: what is to be read of it, and the data set that comes of that.

The task's name is the file's, with a hash of the file's content, the columns and the kind of labels: it stands in every
run spec, so that runs on other content or columns are other runs.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.labels import kind_named, kind_of, labels
from pbgraph.datasets.rows import accepted, names_of
from pbgraph.datasets.sheet import Sheet, check_is_file, read_content, read_sheet, shown
from pbgraph.datasets.text_table import spaced
from pbgraph.datasets.user.graph_columns import check_columns, numbers
from pbgraph.errors import DataError, UsageError, check_several
from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.writing import is_special
from pbgraph.metrics import Kind
from pbgraph.molecules import Molecules
from pbgraph.structures.smiles import shortened
from pbgraph.structures.usable import within_limits

log = logging.getLogger(__name__)

VERSION = 2  # of the rules by which a table is read
METRICS = {"classification": "roc_auc", "regression": "rmse"}
UNLIKE = 10.0  # times: standard deviations of targets that have no common scale


@dataclass(frozen=True)
class UserTable:
    """What is read of a table.

    path     of the file, as given; alone of all fields it does not enter the name
    sha256   of the file's content, unpacked
    smiles, targets, id, part, date  names of columns; the last three may be None
    kind     of the labels
    rows     of the table
    version  of the rules of reading
    missing  cells of targets that mean not measured, beside the usual ones
    graph_columns  names of columns of numbers that models read beside the structures
    """

    path: str
    sha256: str
    smiles: str
    targets: tuple[str, ...]
    kind: Kind
    rows: int = 0
    id: str | None = None
    part: str | None = None
    date: str | None = None
    version: int = VERSION
    missing: tuple[str, ...] = ()
    graph_columns: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the file."""
        return Path(self.path).name

    @property
    def name(self) -> str:
        """The file's name, and 8 hex digits of a hash of everything that determines the molecules and labels."""
        facts = {name: value for name, value in asdict(self).items() if name != "path" and value != ()}
        stem = re.sub(r"[^a-z0-9]+", "-", self.file.split(".")[0].lower()).strip("-") or "table"
        return f"{stem[:40]}-{sha256(canonical_json(facts))[:8]}"

    @property
    def words(self) -> tuple[str, ...]:
        """What stands after ``python -m pbgraph.bench`` to run it."""
        path = f"./{self.path}" if self.path.startswith("-") else self.path
        options = {"--id": self.id, "--split-column": self.part, "--time-column": self.date}
        single = [option_words(option, [value]) for option, value in options.items() if value is not None]
        return (
            *("train", path, *option_words("--smiles", [self.smiles]), *option_words("--targets", self.targets)),
            *("--kind", self.kind, *option_words("--missing", self.missing)),
            *option_words("--graph-columns", self.graph_columns),
            *(word for words in single for word in words),
        )

    @property
    def command(self) -> str:
        """The whole command that runs it, as a shell takes it."""
        return shlex.join(("python", "-m", "pbgraph.bench", *self.words))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        others = (name for name in (self.id, self.part, self.date) if name is not None)
        return (self.smiles, *self.targets, *others, *self.graph_columns)


def option_words(option: str, values: Sequence[str]) -> tuple[str, ...]:
    """An option with its values as words of a command; one that begins as an option does is joined to it.

    >>> option_words("--targets", ["logP", "-logS", "pKa"])
    ('--targets', 'logP', '--targets=-logS', '--targets', 'pKa')
    """
    words: list[str] = []
    follows = False
    for value in values:
        dashed = value.startswith("-")
        words += [f"{option}={value}"] if dashed else [value] if follows else [option, value]
        follows = not dashed
    return tuple(words)


def describe(
    path: Path,
    *,
    smiles: str,
    targets: Sequence[str],
    kind: str | None = None,
    id: str | None = None,
    split_column: str | None = None,
    date: str | None = None,
    missing: Sequence[str] = (),
    graph_columns: Sequence[str] = (),
) -> UserTable:
    """The task that the table at `path` holds; without a kind, it is found from the labels.

    missing  cells of targets that mean not measured, beside the usual ones
    graph_columns  columns of numbers that models read beside the structures
    Raises UsageError for columns that the file lacks or that cannot be used together; DataError for what is no table.
    """
    check_several(targets=targets, missing=missing, graph_columns=graph_columns)
    named = None if kind is None else kind_named(kind)
    if not str(path).isprintable():
        raise UsageError(
            f"{path!s:.200}: a file name must be readable text, since it becomes the task's; rename the file"
        )
    check_is_file(path)
    if is_special(path):
        raise UsageError(
            f"{path} is a pipe or a device, which can be read once; every run reads the table again: save it as a file"
        )
    id, split_column, date = (None if name is None else spaced(name) for name in (id, split_column, date))
    table = UserTable(
        str(path),
        "",
        spaced(smiles),
        tuple(map(spaced, targets)),
        named or "regression",  # what it is, and `sha256`, is known once the file is read
        id=id,
        part=split_column,
        date=date,
        missing=tuple(sorted(set(missing))),
        graph_columns=tuple(map(spaced, graph_columns)),
    )
    twice = [name for name, count in Counter(table.columns).items() if count > 1]
    if twice:
        raise UsageError(
            f"column {twice[0]!r} is asked for twice; SMILES, targets, ids, parts, dates and graph columns are "
            "columns of their own"
        )
    sheet = read_sheet(table.file, read_content(path), table.columns)
    return replace(
        table, sha256=sheet.sha256, kind=named or kind_of(sheet, table.targets, table.missing), rows=len(sheet.places)
    )


def to_dataset(table: UserTable) -> Dataset:
    """The table as a data set like any other."""
    return Dataset(
        name=table.name,
        version=table.version,
        file=table.file,
        sha256=table.sha256,
        urls=(),
        rows=table.rows,
        tasks=table.targets,
        smiles_column=table.smiles,
        id_column=table.id,
        metric=METRICS[table.kind],
        split="predefined" if table.part else "time" if table.date else "random",
        licence="the user's own",
        defects={},
        source=f"{table.path}, columns {', '.join(table.columns)}, {table.kind}",
        load=partial(_load, table),
        graph_columns=table.graph_columns,
    )


def _load(table: UserTable, folder: Path | None) -> Molecules:
    """Find the file in `folder` or where it was, and read it. Raises DataError if it is gone or has changed."""
    if table.version != VERSION:
        raise DataError(
            f"task {table.name} was described by version {table.version} of the rules for tables, and this is version "
            f"{VERSION}; describe it anew with '{table.command}'"
        )
    places = [*([folder / table.file] if folder else []), Path(table.path)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(
            f"the table of task {table.name} is not at {table.path}; put it there, name with --data DIR the folder "
            f"that holds it, or make it a task where it is now: '{replace(table, path='PATH').command}'"
        )
    sheet = read_sheet(table.file, read_content(path), table.columns)
    if sheet.sha256 != table.sha256:
        raise DataError(
            f"{path} has changed since task {table.name} was described: sha256 of its content is {sheet.sha256}, "
            f"expected {table.sha256}; restore it, or run 'train' again, which makes a new task of it"
        )
    return molecules_of(table, sheet)


def molecules_of(table: UserTable, sheet: Sheet) -> Molecules:
    """The molecules of a table. Rows whose structure cannot be used are left out and named.

    Raises DataError if labels are not of the task's kind, a target has none or one class alone, ids are blank or
    repeated, or no structure can be used; UsageError for a graph column that is none, see `graph_columns.numbers`.
    """
    mol_ids = names_of(sheet, table.id, "correct them, or leave --id out") if table.id else sheet.places
    y = labels(sheet, table.targets, kind=table.kind, missing=table.missing)
    smiles = sheet.columns[table.smiles]
    structures = within_limits(table.name, smiles)
    refused = {row: reason for row, (reason, _) in enumerate(structures) if reason is not None}
    molecules = accepted(
        table.name,
        sheet,
        refused,
        smiles=table.smiles,
        mol_ids=mol_ids,
        targets=table.targets,
        y=y,
        split_column=table.part,
        date=table.date,
        columns=numbers(sheet, table.graph_columns) if table.graph_columns else None,
    )
    _check_some(table, smiles, refused, usable=len(molecules))
    _check_labels(table, molecules.y)
    check_columns(table.file, table.graph_columns, molecules.columns)
    _warn_of_repeats(table, sheet, [structures[row][1] for row in molecules.rows], molecules=molecules)
    return molecules


def _check_some(table: UserTable, smiles: Sequence[str], refused: dict[int, str], *, usable: int) -> None:
    if not usable:
        raise DataError(
            f"{table.file}: none of the {len(smiles)} cells of column {table.smiles!r} is a SMILES that can be used; "
            f"the first is {shortened(smiles[0])!r} ({refused[0]}). Is it the right column?"
        )


def _check_labels(table: UserTable, y: np.ndarray) -> None:
    for name, column in zip(table.targets, y.T, strict=True):
        values = np.unique(column[~np.isnan(column)])
        if not len(values):
            raise DataError(
                f"{table.file}: column {name!r} has no label in any usable row; name another column, or leave it out"
            )
        if len(values) == 1:
            needs = "both classes" if table.kind == "classification" else "different values"
            raise DataError(
                f"{table.file}: all {int((~np.isnan(column)).sum())} labels of column {name!r} are {values[0]:g}; "
                f"there is nothing to learn without {needs}: add molecules, name another column, or leave it out"
            )
    if table.kind == "regression":
        _warn_of_scales(table, y)


def _warn_of_scales(table: UserTable, y: np.ndarray) -> None:
    """The error that selects is a mean over targets in their own units: where these are unlike, it is that of one."""
    spread = dict(zip(table.targets, np.nanstd(y, axis=0, dtype=np.float64), strict=True))
    small, large = min(spread, key=spread.__getitem__), max(spread, key=spread.__getitem__)
    if spread[large] > UNLIKE * spread[small]:
        log.warning(
            "%s: values of column %r are spread by %.3g, those of %r by %.3g: the mean error by which epochs and arms "
            "are judged is nearly that of %r alone; train them one by one, or take logarithms",
            table.file,
            large,
            spread[large],
            small,
            spread[small],
            large,
        )


def _warn_of_repeats(table: UserTable, sheet: Sheet, structures: Sequence[str], *, molecules: Molecules) -> None:
    """Say how many molecules occur repeatedly, which of them contradict themselves, and what becomes of them."""
    groups: dict[str, list[int]] = {}
    for position, structure in enumerate(structures):
        groups.setdefault(structure, []).append(position)
    repeated = [group for group in groups.values() if len(group) > 1]
    if not repeated:
        return
    words = f"{table.file}: {len(repeated)} molecules (by canonical SMILES) occur in more than one row"
    alike = [rows for group in repeated for rows in _alike(group, molecules.columns)]
    if several := sum(len(_alike(group, molecules.columns)) > 1 for group in repeated):
        words += f", {several} of them with different values of {', '.join(table.graph_columns)}"
    for name, column in zip(table.targets, molecules.y.T, strict=True):
        clashes = [group for group in alike if len(np.unique(column[group][~np.isnan(column[group])])) > 1]
        if clashes:
            places = ["/".join(sheet.places[molecules.rows[position]] for position in group[:4]) for group in clashes]
            words += f"; {len(clashes)} of them have different labels in column {name!r}: {shown(places)}"
    log.warning(
        "%s. Every row is kept and counts as a measurement of its own; a random split can put one molecule's rows into "
        "training and test, splits by scaffold keep them together",
        words,
    )


def _alike(group: Sequence[int], columns: np.ndarray | None) -> list[list[int]]:
    """The rows of one molecule, apart by what stands in the graph columns."""
    if columns is None:
        return [list(group)]
    found: dict[bytes, list[int]] = {}
    for position in group:
        found.setdefault(columns[position].tobytes(), []).append(position)
    return list(found.values())
