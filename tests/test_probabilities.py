"""Probabilities as results keep them, and the metrics that take them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as theirs_log_loss

from pbgraph.probabilities import BITS, brier, expected_calibration_error, kept, log_loss, of_logits

PROBABILITY = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]))
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), PROBABILITY), min_size=1, max_size=40)


@given(st.lists(PROBABILITY, min_size=1, max_size=40))
def test_what_is_kept_is_near_in_order_and_stays_as_it_is(values):
    p = np.array(values)
    found = kept(p).astype(np.float64)
    far = np.minimum(p, 1 - p)
    assert (np.abs(found - p) <= far * 2.0**-BITS + 2.0**-25).all()
    assert (np.diff(found[np.argsort(p)]) >= 0).all()
    assert np.array_equal(kept(found), kept(p))


def test_ten_bits_are_kept_of_what_is_nearer_to_an_end():
    assert kept(np.array([0.1, 0.9, 0.0, 0.5, 1.0])).tolist() == [819 / 8192, 1 - 819 / 8192, 0.0, 0.5, 1.0]
    assert np.isnan(kept(np.array([np.nan, 0.5]))).tolist() == [True, False]
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], and these from -0.5 to 0.5"):
        kept(np.array([0.5, -0.5, np.nan]))


def test_logits_become_probabilities():
    assert of_logits(np.array([0.0, np.log(3.0), -1000.0], np.float32)).tolist() == pytest.approx([0.5, 0.75, 0.0])


@given(ROWS)
def test_brier_and_log_loss_agree_with_scikit_learn_with_blanks(rows):
    y, p = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    measured = ~np.isnan(y)
    if not measured.any():
        assert brier(y, p) is log_loss(y, p) is expected_calibration_error(y, p) is None
        return
    assert brier(y, p) == pytest.approx(brier_score_loss(y[measured], p[measured], labels=[0, 1]))
    assert log_loss(y, p) == pytest.approx(theirs_log_loss(y[measured], p[measured], labels=[0, 1]))


@given(ROWS)
def test_the_calibration_error_is_that_of_scikit_learns_bins(rows):
    y, p = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    y, p = y[~np.isnan(y)], p[~np.isnan(y)]
    p = p[:, None].repeat(1, 1)[:, 0] * 0.98 + 0.01  # off the borders, which belong to the lower bin there
    p = p[(edges := np.abs(p * 10 - np.round(p * 10)) > 1e-9)]
    y = y[edges]
    if not len(y):
        return
    true, mean = calibration_curve(y, p, n_bins=10)
    counts = np.bincount(np.minimum((p * 10).astype(int), 9), minlength=10)
    expected = float((np.abs(true - mean) * counts[counts > 0]).sum() / len(y))
    assert expected_calibration_error(y, p) == pytest.approx(expected, abs=1e-12)


def test_the_calibration_error_of_a_few_rows():
    y, p = np.array([0.0, 1.0, 1.0, np.nan, 0.0]), np.array([0.05, 0.05, 1.0, 0.3, 0.9])
    assert expected_calibration_error(y, p) == pytest.approx((0.9 + abs(1.9 - 1.0)) / 4)  # two bins of two rows


@pytest.mark.parametrize("score", [brier, log_loss, expected_calibration_error])
def test_a_target_of_one_class_has_a_score(score):
    assert score(np.zeros(3), np.zeros(3)) == pytest.approx(0, abs=1e-12)
    assert score(np.ones(2), np.array([0.5, 0.5])) > 0
    with pytest.raises(ValueError, match="1 of 2 measured rows have the score NaN"):
        score(np.array([0.0, 1.0]), np.array([0.5, np.nan]))
