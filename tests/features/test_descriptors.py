"""ECFP4 beside descriptors: values, undefined ones, and the compact form."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors

from pbgraph.errors import DataError
from pbgraph.features.descriptors import ECFP4_DESCRIPTORS, descriptor_names
from pbgraph.features.fingerprints import ECFP4
from pbgraph.features.vectors import VectorStore

pytestmark = pytest.mark.lengthy

LARGE = "C" * 160  # its Ipc is beyond float32
SMILES = ("CCO", "c1ccccc1C(=O)O", "[Zn+2]", LARGE)
Y = np.arange(8.0).reshape(4, 2)


@pytest.fixture(scope="module")
def store() -> VectorStore:
    return ECFP4_DESCRIPTORS.featurise(SMILES, Y)


def test_bits_come_first_then_rdkits_descriptors(store: VectorStore) -> None:
    names = descriptor_names()
    assert (store.x.shape, store.x.dtype, store.y.dtype) == ((4, 2048 + len(names)), np.float32, np.float32)
    np.testing.assert_array_equal(store.x[:, :2048], ECFP4.featurise(SMILES, Y).x)
    for name, function in (("MolWt", Descriptors.MolWt), ("TPSA", Descriptors.TPSA), ("MolLogP", Descriptors.MolLogP)):
        for row, smiles in zip(store.x, SMILES, strict=True):
            assert row[2048 + names.index(name)] == np.float32(function(Chem.MolFromSmiles(smiles)))


def test_what_is_undefined_or_beyond_float32_is_nan(store: VectorStore) -> None:
    with rdBase.BlockLogs():
        ipc = Descriptors.Ipc(Chem.MolFromSmiles(LARGE))
    assert not ipc <= np.finfo(np.float32).max
    column = store.x[:, 2048 + descriptor_names().index("Ipc")]
    assert np.isnan(column[3])
    assert np.isfinite(column[:2]).all()
    assert not np.isinf(store.x).any()


def test_arrays_bring_the_store_back(store: VectorStore) -> None:
    back = ECFP4_DESCRIPTORS.from_arrays(store.arrays(), Y)
    np.testing.assert_array_equal(back.x, store.x)
    np.testing.assert_array_equal(back.y, store.y)
    assert store.arrays()["bits"].nbytes == 4 * 2048 // 8


def test_select_keeps_order_and_repeats(store: VectorStore) -> None:
    part = store.select(np.array([2, 0, 2]))
    assert len(part) == 3
    np.testing.assert_array_equal(part.x, store.x[[2, 0, 2]])
    np.testing.assert_array_equal(part.y, Y[[2, 0, 2]])


def test_no_molecule() -> None:
    store = ECFP4_DESCRIPTORS.featurise([], np.zeros((0, 2)))
    assert len(ECFP4_DESCRIPTORS.from_arrays(store.arrays(), store.y)) == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="molecule 0"):
        ECFP4_DESCRIPTORS.featurise(["C1"], np.zeros((1, 1)))
    with pytest.raises(ValueError, match="vectors"):
        VectorStore(np.zeros((2, 8), np.float32), np.zeros((1, 1)))
