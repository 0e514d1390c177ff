"""The molecules of a data set: what of its rows can be used, with structures and labels, and what cannot and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rejected:
    """A row of the data set that was left out, and why."""

    row: int
    mol_id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Molecules:
    """The accepted rows of a data set in file order, and the rejected ones.

    dataset   name of the data set
    sha256    of the decompressed CSV
    tasks     T names of label columns
    mol_ids   n names
    smiles    n structures, as the file spells them
    rows      (n,) int64, number of each row in the file, from 0, the header not counted
    y         (n, T) float32, 0 or 1, of regression tasks any number; NaN = not measured
    rejected  the rows left out, and why
    subset    n words for split 'predefined', each train, valid or test; None: the data set says none
    date      n dates for split 'time', as YYYY-MM-DD, or all as YYYY-MM or YYYY; None: the data set has none
    columns   (n, D) float32, numbers of the data set's own beside the structures, NaN = blank; None: it has none
    """

    dataset: str
    sha256: str
    tasks: tuple[str, ...]
    mol_ids: tuple[str, ...]
    smiles: tuple[str, ...]
    rows: np.ndarray
    y: np.ndarray
    rejected: tuple[Rejected, ...]
    subset: tuple[str, ...] | None = None
    date: tuple[str, ...] | None = None
    columns: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.smiles)


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Substructures of n molecules, and which rows are of one compound.

    packed  (n, B) uint8, eight bits to the byte
    parent  (n,) int64, equal for rows of one parent compound
    """

    packed: np.ndarray
    parent: np.ndarray

    def __len__(self) -> int:
        return len(self.packed)

    def select(self, rows: np.ndarray) -> Fingerprints:
        """The molecules with these numbers, in this order."""
        return Fingerprints(self.packed[rows], self.parent[rows])

    def arrays(self) -> dict[str, np.ndarray]:
        """Both, by name; `of_arrays` is the inverse."""
        return {"packed": self.packed, "parent": self.parent}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Fingerprints | None:
        """What `arrays` gave, among others; None if it is not there."""
        return cls(arrays["packed"], arrays["parent"]) if "packed" in arrays else None
