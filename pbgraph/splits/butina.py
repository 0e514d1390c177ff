"""Split by Taylor-Butina clusters of fingerprints: what is alike stays together, whatever its scaffold.

Two fingerprints are neighbours at a Tanimoto *similarity* of 0.6 or more (a distance of 0.4 or less). The fingerprint
with most neighbours and all of these are a cluster and are taken away; so on with the next, counts as at the start.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from pbgraph.features.fingerprints import ECFP4
from pbgraph.files.cache import cached
from pbgraph.molecules import Molecules
from pbgraph.splits.base import TRAIN, VALID, Split, Splitter
from pbgraph.splits.groups import filled, grouped
from pbgraph.structures.smiles import structures_key

SIMILARITY = 0.6


def butina(molecules: Molecules, seed: int | None = None) -> Split:
    """Largest cluster first, each whole cluster into the first of train, valid, test it fits in.

    The three parts are sorted; the order of the molecules does not matter. Raises UsageError if given a seed.
    """
    BUTINA.refuse(seed)
    n = len(molecules)
    largest_first = sorted(grouped(clusters(molecules)), key=len, reverse=True)
    return BUTINA.parts(*filled(largest_first, TRAIN * n, (TRAIN + VALID) * n))


def clusters(molecules: Molecules) -> list[int]:
    """The number of each molecule's cluster, 0 for the one made first; kept in the cache."""
    key = {"version": BUTINA.version, "fingerprints": ECFP4.version, **structures_key(molecules.smiles)}
    content = cached(
        f"{molecules.dataset}-butina",
        key,
        lambda: msgspec.json.encode(taylor_butina(_fingerprints(molecules)).tolist()),
    )
    return msgspec.json.decode(content, type=list[int])


def _fingerprints(molecules: Molecules) -> np.ndarray:
    from pbgraph.features.stored import featurised  # and with it torch, which no other split needs

    bits: np.ndarray = featurised(ECFP4, molecules).x
    return bits


def taylor_butina(bits: np.ndarray) -> np.ndarray:
    """Cluster numbers (n,) of fingerprints (n, D) of 0 and 1, in the order in which the clusters are made.

    Equal fingerprints are one point that counts as often as it occurs; of points with equally many neighbours the one
    with more bits, then the later one in the order of bits, comes first: the order of the rows does not matter.
    Memory grows with the number of neighbours, not with n².
    Source: Butina 1999, doi:10.1021/ci9803381
    """
    packed, inverse, counts = np.unique(
        np.packbits(bits, axis=1, bitorder="little"), axis=0, return_inverse=True, return_counts=True
    )
    by_bits = np.argsort(np.bitwise_count(packed).sum(axis=1), kind="stable")
    near = _neighbours(packed[by_bits])
    order = np.argsort(near @ counts[by_bits], kind="stable")[::-1]
    numbers, made = np.full(len(packed), -1), 0
    for centre in order:
        if numbers[centre] < 0:
            members = near.indices[near.indptr[centre] : near.indptr[centre + 1]]
            numbers[members[numbers[members] < 0]] = made
            made += 1
    return np.asarray(numbers[np.argsort(by_bits)][inverse.reshape(-1)])


def _neighbours(packed: np.ndarray) -> Any:
    """Which of n fingerprints are neighbours, themselves included, as a sparse (n, n) matrix of ones.

    packed  (n, D / 8) uint8, least significant bit first, sorted by number of bits: no similarity exceeds the ratio of
            these numbers, so only those that are near enough are looked at
    """
    from rdkit import DataStructs
    from scipy.sparse import coo_array

    points = [DataStructs.CreateFromFPSText(row.tobytes().hex()) for row in packed]
    sizes = np.bitwise_count(packed).sum(axis=1)
    smaller: list[np.ndarray] = []
    for i, point in enumerate(points):
        first = int(np.searchsorted(sizes[:i] / sizes[i], SIMILARITY))
        similar = np.array(DataStructs.BulkTanimotoSimilarity(point, points[first:i]))
        smaller.append(first + np.flatnonzero(similar >= SIMILARITY))
    own = np.arange(len(points))
    larger, lesser = np.repeat(own, [len(found) for found in smaller]), np.concatenate([*smaller, own[:0]])
    pairs = (np.concatenate([larger, lesser, own]), np.concatenate([lesser, larger, own]))
    return coo_array((np.ones(len(pairs[0]), dtype=np.int64), pairs), shape=(len(points),) * 2).tocsr()


BUTINA = Splitter(
    name="butina",
    version=1,
    seeded=False,
    split=butina,
    source="Butina 1999, doi:10.1021/ci9803381; ECFP4 of 2048 bits, Tanimoto similarity 0.6",
    groups=clusters,
    order_free=True,
)
