"""ECFP4: which circular neighbourhoods of up to four bonds across a molecule has, hashed to 2,048 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.features.vectors import VectorStore
from pbgraph.structures.smiles import parsed

RADIUS = 2
BITS = 2048


def _featurise(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    x = np.zeros((len(smiles), BITS), dtype=np.uint8)
    for row, molecule in zip(x, parsed(smiles), strict=True):
        row[:] = generator.GetFingerprintAsNumPy(molecule)
    return VectorStore(x, y.astype(np.float32))


ECFP4 = Featuriser(
    name="ecfp4",
    version=1,
    featurise=_featurise,
    from_arrays=VectorStore.from_arrays,
    source="Rogers & Hahn 2010, doi:10.1021/ci100050t; RDKit's Morgan fingerprint, radius 2, 2048 bits",
)
