"""What a registered featuriser is, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pbgraph.files.reading import file_versions as versions_of
from pbgraph.registry import Registry


class Store(Protocol):
    """Featurised molecules with their labels; `GraphStore` and `VectorStore` are the kinds."""

    @property
    def y(self) -> np.ndarray:
        """(n, T) float32, NaN = not measured."""
        ...

    def __len__(self) -> int: ...

    def select(self, index: np.ndarray) -> Store:
        """The molecules with these numbers, in this order."""
        ...

    def to(self, device: Any) -> Store:
        """The store as a model on `device` wants it."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the labels, to be kept in a file."""
        ...


@dataclass(frozen=True)
class Featuriser:
    """A way from structures to numbers.

    name        as registered
    version     raise it when the same SMILES would give other numbers
    featurise   (SMILES (n,), y (n, T) float32) -> store of n molecules; raises DataError for what RDKit cannot parse
    from_arrays (arrays of a store, y) -> that store: the inverse of `Store.arrays`
    source      paper or code that defines the features
    parts       of one that is put together by name, see `pbgraph.features.composed`
    to_predict  the same as `featurise`, without what only a fit reads, where that is less work; else None
    files       name -> file that it reads; what is in it enters the key
    pretrained_on  () -> on what the network was trained that made what it reads, as a person states it; None: there is
                none. Raises DataError if that cannot be read
    blank       y (n, T) -> a store of n molecules that says nothing of them, of one that does not know every molecule
    mended      raise it where numbers were wrong of molecules that no record is of: the version, which is in the keys
                of runs, stays, and what a cache has of before is not read
    """

    name: str
    version: int
    featurise: Callable[[Sequence[str], np.ndarray], Any]
    from_arrays: Callable[[Mapping[str, np.ndarray], np.ndarray], Any]
    source: str
    parts: tuple[Featuriser, ...] = ()
    to_predict: Callable[[Sequence[str], np.ndarray], Any] | None = None
    files: Mapping[str, Path] = field(default_factory=dict, hash=False)
    pretrained_on: Callable[[], str] | None = None
    blank: Callable[[np.ndarray], Any] | None = None
    mended: int = 0

    def file_versions(self) -> dict[str, str]:
        """SHA-256 of every file that it reads, as a spec's versions have it. Raises DataError if one cannot be read."""
        return versions_of("featuriser", self.files, "put it there, or name the features by where it is now")


class Featurisers(Registry[Featuriser]):
    """Featurisers by name, own columns of a table, and what is put together of several, "graph+descriptors"."""

    def get(self, name: str) -> Featuriser:
        """As of every registry; of a joined name, all parts together."""
        if JOINED not in name and name != OWN:
            return super().get(name)
        from pbgraph.features.composed import OWN_COLUMNS, compose

        return OWN_COLUMNS if name == OWN else compose(name)

    def entry(self, name: str) -> EntryPoint | None:
        """What registers a name; of a joined one, its first part that is registered."""
        registered = [part for part in name.split(JOINED) if part != OWN]
        return super().entry(registered[0]) if registered else None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and all(
            part == OWN or super(Featurisers, self).__contains__(part) for part in name.split(JOINED)
        )


JOINED = "+"  # between parts that are put together
OWN = "columns"  # the part that is no function of the structure: numbers that a user's table has beside it
FEATURISERS = Featurisers("featuriser", "pbgraph.featurisers", Featuriser)
