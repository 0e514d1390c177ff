"""Molecules as rows of one matrix: bits, and perhaps other numbers after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pbgraph.molecules import Fingerprints


@dataclass(frozen=True, eq=False)
class VectorStore:
    """n labelled molecules as vectors.

    x     (n, bits + D): columns of 0 and 1, then D of any numbers, NaN = undefined; uint8 if D is 0, else float32
    y     (n, T) float32, NaN = not measured
    bits  columns of 0 and 1; None: all
    fingerprints  of the molecules, where labels of similar ones are to become columns; else None
    """

    x: np.ndarray
    y: np.ndarray
    bits: int | None = None
    fingerprints: Fingerprints | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y):
            raise ValueError(f"vectors {self.x.shape} and labels {self.y.shape} must be (n, D) and (n, T)")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: np.ndarray) -> VectorStore:
        """The molecules with these numbers, in this order."""
        fingerprints = None if self.fingerprints is None else self.fingerprints.select(index)
        return replace(self, x=self.x[index], y=self.y[index], fingerprints=fingerprints)

    def beside(self, numbers: np.ndarray) -> VectorStore:
        """The same rows with these columns (n, D) after their own, and without fingerprints."""
        bits = self.x.shape[1] if self.bits is None else self.bits
        return VectorStore(np.concatenate([self.x, numbers], axis=1, dtype=np.float32), self.y, bits)

    def to(self, device: object) -> VectorStore:
        """The store itself, whatever the device: estimators take NumPy arrays, which live in main memory."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the labels, eight bits to the byte; `from_arrays` is the inverse."""
        whole = {} if self.fingerprints is None else self.fingerprints.arrays()
        if self.bits is None:
            return {"bits": np.packbits(self.x, axis=1), "width": np.array([self.x.shape[1]]), **whole}
        bits, numbers = np.split(self.x, [self.bits], axis=1)
        packed = np.packbits(bits.astype(bool), axis=1)
        numbers = np.ascontiguousarray(numbers)
        return {"bits": packed, "width": np.array([self.bits]), "descriptors": numbers, **whole}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], y: np.ndarray) -> VectorStore:
        """A store from what `arrays` gave, and labels (n, T)."""
        width = int(arrays["width"][0]) if "width" in arrays else None  # which older files have not: whole bytes
        bits, fingerprints = np.unpackbits(arrays["bits"], axis=1, count=width), Fingerprints.of_arrays(arrays)
        if "descriptors" not in arrays:
            return cls(bits, y.astype(np.float32), fingerprints=fingerprints)
        x = np.concatenate([bits.astype(np.float32), arrays["descriptors"]], axis=1)
        return cls(x, y.astype(np.float32), bits.shape[1], fingerprints)
