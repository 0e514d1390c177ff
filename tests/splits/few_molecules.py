"""Thirty small molecules with repeated scaffolds, salts and stereoisomers, and tables made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from pbgraph.molecules import Molecules
from pbgraph.splits import Split

SMILES = (
    *("c1ccccc1", "Cc1ccccc1", "Oc1ccccc1", "Nc1ccccc1Cl", "CCO", "CC(=O)O", "[Zn+2]", "CCCCN", "C1CCCCC1"),
    *("OC1CCCCC1", "C1CCNCC1", "CN1CCNCC1", "c1ccncc1", "Cc1ccncc1", "c1ccc2ccccc2c1", "Oc1ccc2ccccc2c1"),
    *("c1ccc2[nH]ccc2c1", "O=C(c1ccccc1)c1ccccc1", "C1=CCCCC1", "C[C@H]1CC[C@@H](O)CC1", "c1ccsc1", "Cc1cccs1"),
    *("C1CC1", "OC(=O)C1CC1", "c1ccc(-c2ccccc2)cc1", "c1ccc(Oc2ccccc2)cc1", "O=c1cc[nH]c(=O)[nH]1", "[Na+].[Cl-]"),
    *("Brc1ccccc1", "C1COCCO1"),
)
FORMS_OF_ONE = ("CC(=O)[O-].[Na+]", "CC(=O)O.Cl", "C[C@@H]1CC[C@@H](O)CC1", "Cl.CCCCN", "[K+].[Cl-]")
some = st.lists(st.sampled_from(SMILES + FORMS_OF_ONE), min_size=3, max_size=60)


def molecules(smiles: Sequence[str], **columns: tuple[str, ...]) -> Molecules:
    n = len(smiles)
    ids = tuple(f"M{i}" for i in range(n))
    y = np.zeros((n, 1), np.float32)
    return Molecules("few", "0" * 64, ("a",), ids, tuple(smiles), np.arange(n), y, (), **columns)


def reordered(table: Molecules, order: Sequence[int]) -> Molecules:
    """The same molecules in another order."""
    taken = {
        name: tuple(values[i] for i in order)
        for name in ("mol_ids", "smiles", "subset", "date")
        if (values := getattr(table, name)) is not None
    }
    return replace(table, rows=table.rows[np.array(order)], **taken)


def parts(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.train, split.valid, split.test


def assert_partition(split: Split, n: int) -> None:
    np.testing.assert_array_equal(np.sort(np.concatenate(parts(split))), np.arange(n))
    assert {part.dtype for part in parts(split)} == {np.dtype(np.int64)}
