"""ECFP4 against RDKit's older implementation, and its compact form."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdMolDescriptors

from pbgraph.errors import DataError
from pbgraph.features.fingerprints import ECFP4
from pbgraph.features.vectors import VectorStore

SMILES = ("CCO", "c1ccccc1C(=O)O", "[Zn+2]", "OC[C@H](O)[C@@H](O)[C@H](O)CO")
Y = np.arange(8.0).reshape(4, 2)


def test_bits_are_those_of_the_older_rdkit_function() -> None:
    store = ECFP4.featurise(SMILES, Y)
    assert (store.x.shape, store.x.dtype, store.y.dtype) == ((4, 2048), np.uint8, np.float32)
    for row, smiles in zip(store.x, SMILES, strict=True):
        expected = np.zeros(2048, dtype=np.uint8)
        with rdBase.BlockLogs():
            bits = rdMolDescriptors.GetMorganFingerprintAsBitVect(Chem.MolFromSmiles(smiles), 2, 2048)
        DataStructs.ConvertToNumpyArray(bits, expected)
        np.testing.assert_array_equal(row, expected)


def test_arrays_bring_the_store_back_in_an_eighth_of_the_bytes() -> None:
    store = ECFP4.featurise(SMILES, Y)
    back = ECFP4.from_arrays(store.arrays(), Y)
    np.testing.assert_array_equal(back.x, store.x)
    np.testing.assert_array_equal(back.y, store.y)
    assert store.arrays()["bits"].nbytes == store.x.nbytes // 8


def test_select_keeps_order_and_repeats() -> None:
    part = ECFP4.featurise(SMILES, Y).select(np.array([2, 0, 2]))
    assert len(part) == 3
    np.testing.assert_array_equal(part.y, Y[[2, 0, 2]])
    np.testing.assert_array_equal(part.x[0], part.x[2])
    assert (part.x[0] != part.x[1]).any()


def test_no_molecule() -> None:
    store = ECFP4.featurise([], np.zeros((0, 2)))
    assert len(ECFP4.from_arrays(store.arrays(), store.y)) == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="molecule 0"):
        ECFP4.featurise(["C1"], np.zeros((1, 1)))
    with pytest.raises(ValueError, match="vectors"):
        VectorStore(np.zeros((2, 8), np.uint8), np.zeros((1, 1)))
