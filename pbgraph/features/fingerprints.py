"""ECFP4: which circular neighbourhoods of up to four bonds across a molecule has, hashed to 2,048 bits.

With counts, three such rows of bits: which it has, which it has twice at least, and which three times at least. Of two
molecules, the bits in common among the bits of either are Σ min(a, b) / Σ max(a, b) of the counts up to three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.features.vectors import VectorStore
from pbgraph.structures.smiles import parsed

RADIUS = 2
BITS = 2048
MOST = 3  # that a neighbourhood is counted


def _featurise(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    x = np.zeros((len(smiles), BITS), dtype=np.uint8)
    for row, molecule in zip(x, parsed(smiles), strict=True):
        row[:] = generator.GetFingerprintAsNumPy(molecule)
    return VectorStore(x, y.astype(np.float32))


def counted(smiles: Sequence[str]) -> Iterator[np.ndarray]:
    """For each molecule (3 · 2,048,) bool: the neighbourhoods that it has once, twice and three times at least."""
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    for molecule in parsed(smiles):
        counts = generator.GetCountFingerprintAsNumPy(molecule)
        yield np.concatenate([counts >= least for least in range(1, MOST + 1)])


def _counts(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    x = np.zeros((len(smiles), MOST * BITS), dtype=np.uint8)
    for row, bits in zip(x, counted(smiles), strict=True):
        row[:] = bits
    return VectorStore(x, y.astype(np.float32))


ECFP4 = Featuriser(
    name="ecfp4",
    version=1,
    featurise=_featurise,
    from_arrays=VectorStore.from_arrays,
    source="Rogers & Hahn 2010, doi:10.1021/ci100050t; RDKit's Morgan fingerprint, radius 2, 2048 bits",
)
ECFP4_COUNTS = Featuriser(
    name="ecfp4-counts",
    version=1,
    featurise=_counts,
    from_arrays=VectorStore.from_arrays,
    source="Rogers & Hahn 2010, doi:10.1021/ci100050t; RDKit's Morgan counts up to 3, radius 2, 2048 bits for each",
)
