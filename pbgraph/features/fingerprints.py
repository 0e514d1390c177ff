"""ECFP4: which circular neighbourhoods of up to four bonds across a molecule has, hashed to 2,048 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.structures.smiles import parsed

RADIUS = 2
BITS = 2048


@dataclass(frozen=True, eq=False)
class FingerprintStore:
    """n labelled fingerprints.

    x  (n, D) uint8, 0 or 1
    y  (n, T) float32, NaN = not measured
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y):
            raise ValueError(f"fingerprints {self.x.shape} and labels {self.y.shape} must be (n, D) and (n, T)")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: np.ndarray) -> FingerprintStore:
        """The molecules with these numbers, in this order."""
        return replace(self, x=self.x[index], y=self.y[index])

    def to(self, device: object) -> FingerprintStore:
        """The store itself, whatever the device: estimators take NumPy arrays, which live in main memory."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the labels, eight bits to the byte; `from_arrays` is the inverse."""
        return {"bits": np.packbits(self.x, axis=1), "width": np.array([self.x.shape[1]])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], y: np.ndarray) -> FingerprintStore:
        """A store from what `arrays` gave, and labels (n, T)."""
        return cls(np.unpackbits(arrays["bits"], axis=1, count=int(arrays["width"][0])), y.astype(np.float32))


def _featurise(smiles: Sequence[str], y: np.ndarray) -> FingerprintStore:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    x = np.zeros((len(smiles), BITS), dtype=np.uint8)
    for row, molecule in zip(x, parsed(smiles), strict=True):
        row[:] = generator.GetFingerprintAsNumPy(molecule)
    return FingerprintStore(x, y.astype(np.float32))


ECFP4 = Featuriser(
    name="ecfp4",
    version=1,
    featurise=_featurise,
    from_arrays=FingerprintStore.from_arrays,
    source="Rogers & Hahn 2010, doi:10.1021/ci100050t; RDKit's Morgan fingerprint, radius 2, 2048 bits",
)
