"""ECFP4 bits beside RDKit's two-dimensional descriptors: counts, surfaces, charges, fragments of a whole molecule.

A descriptor that RDKit cannot compute for a molecule, or that is not finite in float32, is NaN. Nothing is scaled
here: that takes statistics of training rows, so estimators do it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pbgraph.features.base import Featuriser
from pbgraph.features.descriptor_values import descriptor_names, descriptor_values
from pbgraph.features.fingerprints import BITS, ECFP4
from pbgraph.features.vectors import VectorStore
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import parsed

SECONDS_EACH = 0.01  # that the descriptors of a molecule take


def _featurise(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    descriptors = _all_descriptors(smiles)
    bits = ECFP4.featurise(smiles, y).x.astype(np.float32)
    return VectorStore(np.concatenate([bits, descriptors], axis=1), y.astype(np.float32), BITS)


def _all_descriptors(smiles: Sequence[str]) -> np.ndarray:
    """(n, D) float32 of all molecules."""
    return np.concatenate(list(in_parts(_descriptors, smiles, seconds_each=SECONDS_EACH)))


def _descriptors(smiles: Sequence[str], first: int) -> np.ndarray:
    """(n, D) float32 of a part of the molecules; first is the position of its first one."""
    descriptors = np.full((len(smiles), len(descriptor_names())), np.nan)
    for row, molecule in zip(descriptors, parsed(smiles, first), strict=True):
        row[:] = descriptor_values(molecule)
    finite = np.abs(descriptors) <= np.finfo(np.float32).max  # False for NaN
    return np.where(finite, descriptors, np.nan).astype(np.float32)


def _descriptors_alone(smiles: Sequence[str], y: np.ndarray) -> VectorStore:
    return VectorStore(_all_descriptors(smiles), y.astype(np.float32), 0)


DESCRIPTORS = Featuriser(
    name="descriptors",
    version=1,
    featurise=_descriptors_alone,
    from_arrays=VectorStore.from_arrays,
    source="the two-dimensional descriptors of RDKit's Descriptors.CalcMolDescriptors",
    mended=1,
)
ECFP4_DESCRIPTORS = Featuriser(
    name="ecfp4-descriptors",
    version=1,
    featurise=_featurise,
    from_arrays=VectorStore.from_arrays,
    source="as ecfp4, with the two-dimensional descriptors of RDKit's Descriptors.CalcMolDescriptors",
    mended=1,
)
