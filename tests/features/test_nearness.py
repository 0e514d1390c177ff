"""The most similar training molecule: as the fingerprints of the neighbours' labels have it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pbgraph.features.nearness import nearness
from pbgraph.features.similarity import NEIGHBOURS
from pbgraph.molecules import Molecules
from pbgraph.ops.overlap import BitRows, tanimoto

SMILES = ("CCO", "CCCO", "CCCCO", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)[O-].[Na+]", "CCN", "[Na+].[Cl-]", "OCC")


def molecules() -> Molecules:
    ids = tuple(map(str, range(len(SMILES))))
    return Molecules("few", "0" * 64, ("a",), ids, SMILES, np.arange(len(SMILES)), np.zeros((len(SMILES), 1)), ())


def test_similarity_is_that_of_the_neighbours(tmp_path, monkeypatch):
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path))
    rows, train = np.array([9, 6, 4, 7]), np.array([0, 1, 3, 5, 8])
    told: list[int] = []
    near = nearness(molecules(), rows, train, done=told.append)
    packed = NEIGHBOURS.featurise(SMILES, np.zeros((len(SMILES), 1))).fingerprints.packed
    expected = tanimoto(packed[rows], BitRows.of(packed[train])).max(axis=1)
    np.testing.assert_array_equal(near.similarity, expected)
    assert near.relative == (True, True, False, False)
    assert near.similarity[0] == 1
    assert near.similarity[1] < 1
    assert told == [1] * 4


def test_it_is_kept_for_these_rows_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path))
    rows, train = np.array([4, 7]), np.array([0, 3])
    first, told = nearness(molecules(), rows, train), []
    assert nearness(molecules(), rows, train, done=told.append) == first
    assert told == []
    assert nearness(molecules(), rows, np.array([0, 4])) != first
    assert nearness(molecules(), rows[::-1], train).similarity == first.similarity[::-1]


@pytest.mark.lengthy
def test_it_needs_no_torch():
    code = "import sys, pbgraph.features.nearness; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
