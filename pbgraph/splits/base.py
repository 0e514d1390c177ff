"""What a registered split is, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.files.hashing import sha256
from pbgraph.molecules import Molecules
from pbgraph.registry import Registry

TRAIN, VALID = 0.8, 0.1  # shares of the molecules; the rest is for test


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of molecules, as (n,) int64 numbers of accepted rows; together they are all rows."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @property
    def sha256(self) -> str:
        """Of the sizes of the three arrays and their entries in order, as little-endian 64-bit integers."""
        parts = (self.train, self.valid, self.test)
        sizes = np.array([len(part) for part in parts])
        return sha256(np.concatenate([sizes, *parts]).astype("<i8").tobytes())


@dataclass(frozen=True)
class Splitter:
    """A way to split.

    name     as registered
    version  raise it when the same molecules and seed would be split differently
    seeded   whether it takes a seed
    split    (molecules, seed or None) -> Split; raises UsageError for a seed too many or missing, or an empty part
    source   paper or code that defines it
    seeds    the only seeds it takes, where not every one will do
    groups   molecules -> n keys; molecules with the same key are never in different parts. None: it has no groups
    order_free  whether the same molecules in another order are split the same
    """

    name: str
    version: int
    seeded: bool
    split: Callable[[Molecules, int | None], Split]
    source: str
    seeds: range | None = None
    groups: Callable[[Molecules], Sequence[Hashable]] | None = None
    order_free: bool = False

    def needed(self, seed: int | None) -> int:
        """The seed itself; raises UsageError if there is none, or none that this split takes."""
        if seed is None:
            raise UsageError(f"split {self.name!r} needs a seed, e.g. --seeds {self.seeds[0] if self.seeds else 68}")
        if self.seeds is not None and seed not in self.seeds:
            first, last = self.seeds[0], self.seeds[-1]
            raise UsageError(
                f"split {self.name!r} takes seeds {first} to {last}, but got {seed}; "
                f"give all of them with --seeds {first}-{last}, or some"
            )
        return seed

    def refuse(self, seed: int | None) -> None:
        """Raises UsageError if there is a seed."""
        if seed is not None:
            raise UsageError(
                f"split {self.name!r} is deterministic and takes no seed, but got {seed}; leave the seed out"
            )

    def parts(self, train: Sequence[int], valid: Sequence[int], test: Sequence[int]) -> Split:
        """The split into these rows; raises UsageError if a part has none."""
        sizes = {"training": len(train), "validation": len(valid), "test": len(test)}
        if empty := [name for name, size in sizes.items() if not size]:
            found = ", ".join(f"{size} for {name}" for name, size in sizes.items())
            raise UsageError(
                f"split {self.name!r} leaves no molecule for {' and '.join(empty)}: of {sum(sizes.values())} molecules "
                f"{found}; give more molecules, or choose another split, see 'ls splits'"
            )
        return Split(*(np.asarray(part, dtype=np.int64) for part in (train, valid, test)))


SPLITS: Registry[Splitter] = Registry("split", "pbgraph.splits", Splitter)
