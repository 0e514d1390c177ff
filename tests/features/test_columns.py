from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import norm, rankdata

from pbgraph.features.columns import LIMIT, ColumnScale
from pbgraph.files.state_file import load_state, save_state

TABLES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(2, 12), st.integers(1, 5)),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
)


def test_scores_are_those_of_the_mid_ranks():
    x = np.array([[3.0], [1.0], [2.0], [2.0], [10.0], [7.0]])
    expected = norm.ppf((rankdata(x[:, 0]) - 0.5) / 6)
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(ColumnScale.of(x)(x)[:, 0], expected, rtol=1e-6)


def test_a_value_between_training_values_lies_between_their_scores():
    scale = ColumnScale.of(np.array([[1.0], [2.0], [4.0]]))
    one, between, two = scale(np.array([[1.0], [1.5], [2.0]]))[:, 0]
    assert one < between < two
    below, above = scale(np.array([[-1e9], [1e9]]))[:, 0]
    assert below <= one
    assert above >= scale(np.array([[4.0]]))[0, 0]


def test_columns_that_do_not_vary_are_left_out_and_undefined_values_are_marked():
    x = np.array([[5.0, 1.0, np.nan, 0.0], [5.0, np.nan, np.nan, 1.0], [5.0, 3.0, np.nan, np.inf]])
    scale = ColumnScale.of(x)
    assert scale.known.tolist() == [1, 3]
    assert scale.marked.tolist() == [1, 3]
    z = scale(x)
    assert z.shape == (3, 4) == (3, scale.width)
    assert (z[1, 2] > 0 > z[0, 2], z[2, 3] > 0 > z[0, 3]) == (True, True)


@given(TABLES, TABLES)
def test_what_comes_out_is_finite_and_does_not_depend_on_other_rows(train, other):
    scale = ColumnScale.of(train)
    if other.shape[1] != train.shape[1]:
        with pytest.raises(ValueError, match="expected"):
            scale(other)
        return
    z = scale(other)
    assert np.isfinite(z).all()
    assert np.abs(z).max(initial=0) <= LIMIT
    for row, alone in zip(z, other, strict=True):
        np.testing.assert_array_equal(scale(alone[None])[0], row)
    order = np.argsort(np.arange(len(train)) % 3, kind="stable")
    np.testing.assert_allclose(ColumnScale.of(train[order])(other), z, atol=1e-5)


@given(TABLES)
def test_training_rows_have_mean_0_and_sd_1_unless_they_are_cut_off(train):
    z = ColumnScale.of(train)(train).astype(np.float64)
    inside = (np.abs(z) < LIMIT).all(0)
    np.testing.assert_allclose(z[:, inside].mean(0), 0, atol=1e-5)
    assert (z[:, inside].std(0) < 1 + 1e-5).all()


def test_it_comes_back_from_a_file(tmp_path):
    x = np.array([[1.0, np.nan, 3.0], [2.0, 0.5, 3.0], [4.0, 0.1, 3.0]])
    scale = ColumnScale.of(x)
    save_state(scale.state(), tmp_path / "scale.safetensors")
    again = ColumnScale.from_state(load_state(tmp_path / "scale.safetensors"))
    np.testing.assert_array_equal(again(x), scale(x))
    with pytest.raises(ValueError, match="does not fit"):
        ColumnScale.from_state({**scale.state(), "columns": 1})
