"""What a registered featuriser is, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

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
    """

    name: str
    version: int
    featurise: Callable[[Sequence[str], np.ndarray], Any]
    from_arrays: Callable[[Mapping[str, np.ndarray], np.ndarray], Any]
    source: str


FEATURISERS: Registry[Featuriser] = Registry("featuriser", "pbgraph.featurisers", Featuriser)
