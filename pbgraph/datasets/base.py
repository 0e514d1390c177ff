"""What a registered data set is, and the molecules read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pbgraph.errors import DataError
from pbgraph.metrics import METRICS, Kind
from pbgraph.molecules import Molecules
from pbgraph.registry import Registry


@dataclass(frozen=True)
class OtherColumns:
    """Label columns known by their number: every column but those of structures and names, in the order of the file.

    The hash of the file fixes their names, so that hundreds of them need no list of their own.
    """

    count: int

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Dataset:
    """The facts about one table of molecules; the table itself is a CSV file with a header.

    name           as registered
    version        raise it when the same file would be read differently
    file           name of the CSV file, without ``.gz``
    sha256         of the decompressed CSV
    urls           public places to fetch it from, tried in turn; plain or gzip
    rows           rows of the file, rejected ones included
    tasks          label columns, in the order of all label arrays; cells are 0 or 1, of regression tasks numbers, or
                   blank = not measured
    smiles_column  column of the structures
    id_column      column of the unique names of the molecules; None if there is none: a row's number is its name
    metric, split  registered names of what selects and ranks, and of the split unless another is asked for; the
                   metric says of which kind the tasks are
    licence        under which the data may be used, as far as known
    defects        known defects of the file -> number of rows (or cells) concerned
    source         DOI and origin
    lookalikes     row counts of other files that circulate under the same name -> what they are
    make           (folder of ``--data`` or None, offline) -> the CSV, for a table that another package reads; `sha256`,
                   `urls` and `rows` are then blank, and every record says what the content was
    load           folder of ``--data`` -> molecules, for a table that is read in a way of its own; None: as
                   `pbgraph.datasets.load` reads a CSV file. `file`, `sha256`, `urls` and `rows` may then be blank
    graph_columns  names of the numbers that its molecules have beside their structures, `Molecules.columns`
    """

    name: str
    version: int
    file: str
    sha256: str
    urls: tuple[str, ...]
    rows: int
    tasks: tuple[str, ...] | OtherColumns
    smiles_column: str
    id_column: str | None
    metric: str
    split: str
    licence: str
    defects: Mapping[str, int]
    source: str
    lookalikes: Mapping[int, str] = field(default_factory=dict)
    make: Callable[[Path | None, bool], bytes] | None = None
    load: Callable[[Path | None], Molecules] | None = None
    graph_columns: tuple[str, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether its content is one file, known beforehand: not what `make` or `load` happens to give."""
        return self.make is None and self.load is None

    @property
    def kind(self) -> Kind:
        """What the tasks are: that of the metric. Raises UsageError if the metric is not registered."""
        return METRICS.get(self.metric).kind

    def label_columns(self, header: Sequence[str]) -> tuple[str, ...]:
        """The names of the tasks, under this header of the file.

        Raises DataError if a column is missing or their number is not the one expected.
        """
        named = self.tasks if isinstance(self.tasks, tuple) else ()
        about = [column for column in (self.smiles_column, self.id_column) if column is not None]
        missing = [column for column in (*about, *named) if column not in header]
        if missing:
            raise DataError(f"{self.file} has no column {', '.join(missing)}; its columns are: {', '.join(header)}")
        found = named or tuple(column for column in header if column not in about)
        if len(set(found)) != len(self.tasks):
            raise DataError(f"{self.file} has {len(set(found))} label columns, expected {len(self.tasks)}")
        return found


DATASETS: Registry[Dataset] = Registry("data set", "pbgraph.datasets", Dataset)
