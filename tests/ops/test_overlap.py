"""Similarity of rows of bits against its definition and RDKit's, and the largest of a row against a sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import DataStructs

from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.overlap import BitRows, largest, largest_definition, tanimoto, tanimoto_definition


def packed(rows: int, width: int, share: float, seed: int) -> np.ndarray:
    """Rows of bits, some of them empty."""
    random = np.random.default_rng(seed)
    bits = random.random((rows, 8 * width)) < share * random.integers(0, 2, (rows, 1))
    return np.packbits(bits, axis=1)


several = st.builds(packed, st.integers(0, 12), st.just(5), st.sampled_from([0.05, 0.5, 1.0]), st.integers(0, 2**32))


@given(several, several)
def test_equals_its_definition_bit_for_bit(rows: np.ndarray, others: np.ndarray) -> None:
    known = BitRows.of(others)
    found = tanimoto(rows, known)
    assert found.shape == (len(rows), len(others))
    np.testing.assert_array_equal(found, tanimoto_definition(rows, known))
    with definitions_only():
        np.testing.assert_array_equal(tanimoto(rows, known), found)


@given(several, several)
def test_equals_rdkits_bit_for_bit(rows: np.ndarray, others: np.ndarray) -> None:
    mine, theirs = (
        [DataStructs.CreateFromFPSText(row.tobytes().hex()) for row in some]  # type: ignore[no-untyped-call]
        for some in (rows, others)
    )
    expected = [DataStructs.BulkTanimotoSimilarity(row, theirs) for row in mine]
    np.testing.assert_array_equal(
        tanimoto(rows, BitRows.of(others)), np.array(expected).reshape(len(rows), len(others))
    )


def test_lists_of_rows_hold_every_bit_once() -> None:
    rows = packed(40, 7, 0.2, 3)
    known = BitRows.of(rows)
    bits = np.unpackbits(rows, axis=1)
    for bit, (first, last) in enumerate(zip(known.starts, known.starts[1:], strict=False)):
        np.testing.assert_array_equal(known.rows[first:last], np.flatnonzero(bits[:, bit]))
    np.testing.assert_array_equal(known.size, bits.sum(axis=1))


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 5 bytes, and others of 6"):
        tanimoto(packed(2, 5, 0.5, 0), BitRows.of(packed(2, 6, 0.5, 0)))


@given(st.lists(st.lists(st.integers(-1, 4), min_size=9, max_size=9), max_size=3), st.integers(1, 9))
def test_of_equal_values_the_first_come_first(rows: list[list[int]], few: int) -> None:
    values = np.array(rows, dtype=np.float64).reshape(len(rows), 9) / 4
    found = largest(values, few)
    np.testing.assert_array_equal(found, largest_definition(values, few))
    with definitions_only():
        np.testing.assert_array_equal(largest(values, few), found)


@given(st.integers(1, 200), st.integers(0, 2**32))
def test_of_many_values_they_are_those_of_a_sort(few: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 60, (2, 200)) / 7
    np.testing.assert_array_equal(largest(values, few), np.argsort(-values, axis=1, kind="stable")[:, :few])


@pytest.mark.parametrize("few", [0, 4])
def test_more_than_there_are_is_refused(few: int) -> None:
    with pytest.raises(ValueError, match=f"the {few} largest of 3 values"):
        largest(np.zeros((2, 3)), few)
