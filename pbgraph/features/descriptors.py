"""ECFP4 bits beside RDKit's two-dimensional descriptors: counts, surfaces, charges, fragments of a whole molecule.

A descriptor that RDKit cannot compute for a molecule, or that is not finite in float32, is NaN. Nothing is scaled
here: that takes statistics of training rows, so estimators do it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.features.fingerprints import BITS, ECFP4
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import parsed

SECONDS_EACH = 0.01  # that the descriptors of a molecule take


@dataclass(frozen=True, eq=False)
class DescriptorStore:
    """n labelled molecules as numbers of any kind.

    x  (n, 2048 + D) float32: bits, then D descriptors in the order of `descriptor_names`, NaN = undefined
    y  (n, T) float32, NaN = not measured
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y):
            raise ValueError(f"features {self.x.shape} and labels {self.y.shape} must be (n, 2048 + D) and (n, T)")

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: np.ndarray) -> DescriptorStore:
        """The molecules with these numbers, in this order."""
        return replace(self, x=self.x[index], y=self.y[index])

    def to(self, device: object) -> DescriptorStore:
        """The store itself, whatever the device: estimators take NumPy arrays, which live in main memory."""
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the labels, eight bits to the byte; `from_arrays` is the inverse."""
        bits, descriptors = np.split(self.x, [BITS], axis=1)
        return {"bits": np.packbits(bits.astype(bool), axis=1), "descriptors": np.ascontiguousarray(descriptors)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], y: np.ndarray) -> DescriptorStore:
        """A store from what `arrays` gave, and labels (n, T)."""
        bits = np.unpackbits(arrays["bits"], axis=1, count=BITS)
        return cls(np.concatenate([bits.astype(np.float32), arrays["descriptors"]], axis=1), y.astype(np.float32))


def descriptor_names() -> list[str]:
    """Names of the descriptors that the installed RDKit knows, in its order."""
    from rdkit.Chem import Descriptors

    return [name for name, _ in Descriptors.descList]


def _featurise(smiles: Sequence[str], y: np.ndarray) -> DescriptorStore:
    descriptors = np.concatenate(list(in_parts(_descriptors, smiles, seconds_each=SECONDS_EACH)))
    bits = ECFP4.featurise(smiles, y).x.astype(np.float32)
    return DescriptorStore(np.concatenate([bits, descriptors], axis=1), y.astype(np.float32))


def _descriptors(smiles: Sequence[str], first: int) -> np.ndarray:
    """(n, D) float32 of a part of the molecules; first is the position of its first one."""
    from rdkit.Chem import Descriptors

    names = descriptor_names()
    descriptors = np.full((len(smiles), len(names)), np.nan)
    for row, molecule in zip(descriptors, parsed(smiles, first), strict=True):
        values = Descriptors.CalcMolDescriptors(molecule, missingVal=np.nan, silent=True)  # type: ignore[no-untyped-call]
        row[:] = [values[name] for name in names]
    finite = np.abs(descriptors) <= np.finfo(np.float32).max  # False for NaN
    return np.where(finite, descriptors, np.nan).astype(np.float32)


ECFP4_DESCRIPTORS = Featuriser(
    name="ecfp4-descriptors",
    version=1,
    featurise=_featurise,
    from_arrays=DescriptorStore.from_arrays,
    source="as ecfp4, with the two-dimensional descriptors of RDKit's Descriptors.CalcMolDescriptors",
)
