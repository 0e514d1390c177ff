"""Taylor-Butina clusters: RDKit's, and as the definition says."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.ML.Cluster import Butina

from few_molecules import FORMS_OF_ONE, SMILES, molecules, parts
from pbgraph.molecules import Molecules
from pbgraph.splits import BUTINA
from pbgraph.splits.butina import clusters, taylor_butina


def sets(numbers: np.ndarray) -> set[frozenset[int]]:
    found = defaultdict(list)
    for row, number in enumerate(numbers.tolist()):
        found[number].append(row)
    return {frozenset(rows) for rows in found.values()}


def rdkits(bits: np.ndarray) -> set[frozenset[int]]:
    """RDKit's clusters of rows that are in the order in which ours break ties."""
    points = [DataStructs.CreateFromBitString("".join(map(str, row))) for row in bits.tolist()]
    distances = [1 - DataStructs.TanimotoSimilarity(a, b) for i, a in enumerate(points) for b in points[:i]]
    return {frozenset(found) for found in Butina.ClusterData(distances, len(points), 0.4 + 1e-9, isDistData=True)}


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(2, 12), st.integers(2, 6))
@settings(max_examples=60)
def test_clusters_are_rdkits(seed: int, n: int, width: int, families: int) -> None:
    random = np.random.default_rng(seed)
    centres = random.integers(0, 2, (families, 8 * width))
    bits = (centres[random.integers(families, size=n)] ^ (random.random((n, 8 * width)) < 0.08)).astype(np.uint8)
    bits[:, 0] = 1  # no fingerprint of a molecule is empty
    packed = np.packbits(bits, axis=1, bitorder="little")
    bits = bits[np.lexsort([*packed.T[::-1], bits.sum(axis=1)])]
    assert sets(taylor_butina(bits)) == rdkits(bits)


def test_a_similarity_of_exactly_six_tenths_joins() -> None:
    three, five, other = np.zeros((3, 16), np.uint8)
    three[:3] = five[:5] = other[6:9] = 1
    assert sets(taylor_butina(np.stack([three, five, other]))) == {frozenset({0, 1}), frozenset({2})}
    five[5] = 1  # 3 / 6
    assert len(sets(taylor_butina(np.stack([three, five, other])))) == 3


def test_members_are_like_a_member_with_the_most_neighbours() -> None:
    smiles = SMILES + FORMS_OF_ONE
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    points = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in smiles]
    for members in sets(np.array(clusters(molecules(smiles)))):
        assert any(all(DataStructs.TanimotoSimilarity(points[i], points[j]) >= 0.6 for j in members) for i in members)


def test_tox21_is_clustered_into_parts_of_the_usual_size(tox21: Molecules) -> None:
    split = BUTINA.split(tox21, None)
    assert [len(part) for part in parts(split)] == [6258, 782, 783]
