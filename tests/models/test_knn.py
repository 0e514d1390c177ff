"""Nearest neighbours beside their definition in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.errors import DataError, UsageError
from pbgraph.features.fingerprints import ECFP4, ECFP4_COUNTS
from pbgraph.features.similarity import NEIGHBOURS
from pbgraph.files.state_file import load_state, save_state
from pbgraph.models import knn
from pbgraph.models.base import MODELS
from pbgraph.models.knn import KNN, KnnConfig

UNMEASURED = {"classification": 0.5, "regression": 0.0}


def data(kind, *, rows=60, columns=19, seed=0):
    """Bits, many of which are alike; tasks in part measured, seldom measured, of one value, and never measured."""
    rng = np.random.default_rng(seed)
    x = (rng.random((rows, columns)) < 0.3).astype(np.uint8)
    y = rng.integers(0, 2, (rows, 4)).astype(np.float32)
    if kind == "regression":
        y = rng.normal(10, 3, (rows, 4)).astype(np.float32)
    y[rng.random(rows) < 0.3, 0], y[rng.random(rows) < 0.9, 1] = np.nan, np.nan
    y[:, 2], y[:, 3] = 0.3 if kind == "regression" else 1, np.nan
    return x, y


def by_definition(x, y, new, *, config, unmeasured):
    out = np.full((len(new), y.shape[1]), unmeasured)
    for q, bits in enumerate(new.astype(int)):
        common, either = np.minimum(bits, x).sum(1), np.maximum(bits, x).sum(1)
        s = np.where(either > 0, common / np.maximum(either, 1), 0.0)
        for t in range(y.shape[1]):
            measured = np.flatnonzero(~np.isnan(y[:, t]))
            if len(measured):
                near = sorted(measured, key=lambda j: (-s[j], j))[: config.neighbours]
                weight, labels = s[near] ** config.power, y[near, t].astype(float)
                mean = y[measured, t].astype(float).mean()
                out[q, t] = (weight @ labels + config.prior * mean) / (weight.sum() + config.prior)
    return out


@given(
    st.sampled_from(["classification", "regression"]),
    st.integers(1, 70),
    st.integers(1, 9),
    st.floats(0.01, 2),
    st.integers(0, 5),
)
def test_scores_are_those_of_the_definition(kind, neighbours, power, prior, seed):
    (x, y), config = data(kind, seed=seed), KnnConfig(neighbours, power, prior)
    x[0] = 0
    new = np.concatenate([x[:5], np.random.default_rng(seed + 9).integers(0, 2, (7, x.shape[1]))])
    found = KNN.fitter(kind)(x, y, config, 0).predict(new)
    expected = by_definition(x, y, new, config=config, unmeasured=UNMEASURED[kind])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert (found[:, 2] == y[0, 2]).all()


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_what_was_saved_gives_the_same_bit_for_bit(kind, tmp_path):
    x, y = data(kind)
    fitted = KNN.fitter(kind)(x, y, KnnConfig(neighbours=3), 0)
    assert fitted.parameters == (~np.isnan(y)).sum()
    save_state(fitted.state(), tmp_path / "state")
    predict = KNN.restore(load_state(tmp_path / "state"))
    np.testing.assert_array_equal(predict(x), fitted.predict(x))
    assert predict(x[:0]).shape == (0, 4)


def test_how_many_are_compared_at_a_time_changes_nothing(monkeypatch):
    x, y = data("classification")
    fitted = KNN.fit_classifier(x, y, KnnConfig(), 0)
    whole = fitted.predict(x)
    monkeypatch.setattr(knn, "CELLS", 7 * len(x))
    np.testing.assert_array_equal(fitted.predict(x), whole)


def test_other_features_are_refused():
    x, y = data("classification")
    with pytest.raises(UsageError, match="compares bits, and is given other numbers"):
        KNN.fit_classifier(np.where(x == 1, np.nan, 0.0), y, KnnConfig(), 0)
    with pytest.raises(DataError, match="knows molecules of 19 bits, and is given 18"):
        KNN.fit_classifier(x, y, KnnConfig(), 0).predict(x[:, :18])


def test_a_damaged_state_is_refused():
    state = KNN.fit_classifier(*data("classification"), KnnConfig(), 0).state()
    for damage in ({"y": state["y"][:5]}, {"columns": 40}, {"packed": state["packed"].to(torch.int64)}):
        with pytest.raises(DataError, match="do not fit together"):
            KNN.restore({**state, **damage})


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"power": 0}, {"prior": 0.0}, {"prior": float("inf")}])
def test_wrong_config_is_refused(wrong):
    with pytest.raises(UsageError, match="expected"):
        KnnConfig(**wrong)


def test_counted_fingerprints_are_those_of_neighbours_and_their_first_part_is_ecfp4():
    smiles, y = ["CCO", "CCCCCCCC", "c1ccccc1O", "C"], np.zeros((4, 1), dtype=np.float32)
    counts = ECFP4_COUNTS.featurise(smiles, y)
    np.testing.assert_array_equal(counts.x[:, :2048], ECFP4.featurise(smiles, y).x)
    np.testing.assert_array_equal(np.packbits(counts.x, axis=1), NEIGHBOURS.featurise(smiles, y).fingerprints.packed)
    assert counts.x[1, 4096:].any()
    np.testing.assert_array_equal(ECFP4_COUNTS.from_arrays(counts.arrays(), y).x, counts.x)


def test_registered():
    assert MODELS.get("knn") is KNN
