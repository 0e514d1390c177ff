"""Fingerprints by which the most similar molecules are found: ECFP4 with counts up to three, and parent compounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.features.fingerprints import BITS, MOST, counted
from pbgraph.molecules import Fingerprints
from pbgraph.structures.facts import parents


@dataclass(frozen=True, eq=False)
class FingerprintStore:
    """n labelled molecules with what similarity is computed from; y (n, T) float32."""

    fingerprints: Fingerprints
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.fingerprints)

    @property
    def x(self) -> np.ndarray:
        """(n, B) uint8, eight neighbourhoods to the byte."""
        return self.fingerprints.packed

    def select(self, index: np.ndarray) -> FingerprintStore:
        """The molecules with these numbers, in this order."""
        return FingerprintStore(self.fingerprints.select(index), self.y[index])

    def to(self, device: object) -> FingerprintStore:
        """The store itself: similarities are computed in main memory."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the labels."""
        return self.fingerprints.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], y: np.ndarray) -> FingerprintStore:
        """A store from what `arrays` gave, and labels (n, T)."""
        return cls(Fingerprints(arrays["packed"], arrays["parent"]), y.astype(np.float32))


def _packed(smiles: Sequence[str]) -> np.ndarray:
    packed = np.zeros((len(smiles), MOST * BITS // 8), dtype=np.uint8)
    for row, bits in zip(packed, counted(smiles), strict=True):
        row[:] = np.packbits(bits)
    return packed


def _to_predict(smiles: Sequence[str], y: np.ndarray) -> FingerprintStore:
    """Each row as of a compound of its own: parents, which take InChI, are for training rows to hide their kin."""
    return FingerprintStore(Fingerprints(_packed(smiles), np.arange(len(smiles))), y.astype(np.float32))


def _featurise(smiles: Sequence[str], y: np.ndarray) -> FingerprintStore:
    packed = _packed(smiles)
    names = [hashlib.sha256(parent.encode()).digest()[:8] for parent in parents(smiles)]
    parent = np.frombuffer(b"".join(names), dtype="<i8").astype(np.int64)
    return FingerprintStore(Fingerprints(packed, parent), y.astype(np.float32))


NEIGHBOURS = Featuriser(
    name="neighbours",
    version=1,
    featurise=_featurise,
    from_arrays=FingerprintStore.from_arrays,
    source="Rogers & Hahn 2010, doi:10.1021/ci100050t; RDKit's Morgan counts, up to 3, for labels of neighbours",
    to_predict=_to_predict,
)
