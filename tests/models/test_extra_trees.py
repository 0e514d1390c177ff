"""Extremely randomised trees beside scikit-learn's own, task by task."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from pbgraph.errors import UsageError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.models.base import MODELS
from pbgraph.models.extra_trees import EXTRA_TREES, ExtraTreesConfig
from pbgraph.streams import seed_of

CONFIG = ExtraTreesConfig(trees=20)


def data(kind: str, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Bits, numbers and an undefined cell; a task in part measured, one of one value, one never measured."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.integers(0, 2, (rows, 24)), rng.normal(size=(rows, 6))], axis=1).astype(np.float32)
    y = np.stack([x[:, 0] != x[:, 1], np.ones(rows), np.full(rows, np.nan)], axis=1).astype(np.float32)
    if kind == "regression":
        y[:, 0] = 100 + 20 * y[:, 0] + rng.normal(size=rows)
    y[:50, 0], x[60, 25] = np.nan, np.nan
    return x, y


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_scores_are_those_of_scikit_learn_on_the_measured_rows_and_are_saved_bit_for_bit(kind, tmp_path):
    x, y = data(kind)
    fitted = EXTRA_TREES.fitter(kind)(x[:200], y[:200], CONFIG, 7)
    found, dense = fitted.predict(x[200:]), np.nan_to_num(x, nan=0.0)
    said = {"n_estimators": 20, "min_samples_leaf": 2, "random_state": seed_of(7, "forest/0") % 2**32}
    if kind == "classification":
        theirs = ExtraTreesClassifier(max_features="sqrt", **said).fit(dense[50:200], y[50:200, 0])
        expected = theirs.predict_proba(dense[200:])[:, 1]
    else:
        theirs = ExtraTreesRegressor(max_features=1.0, **said).fit(dense[50:200], y[50:200, 0])
        expected = theirs.predict(dense[200:])
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)
    assert (found[:, 1] == 1).all()
    assert (found[:, 2] == (0.5 if kind == "classification" else 0)).all()
    assert fitted.parameters == sum(tree.tree_.node_count for tree in theirs.estimators_)
    save_state(fitted.state(), tmp_path / "state")
    np.testing.assert_array_equal(EXTRA_TREES.restore(load_state(tmp_path / "state"))(x[200:]), found)


def test_thresholds_are_drawn_and_rows_are_not():
    """One column, two values: every tree sees every row, and the cut lies anywhere between."""
    x, y = np.repeat([[0.0], [1.0]], 20, axis=0).astype(np.float32), np.repeat([[0.0], [1.0]], 20, axis=0)
    state = EXTRA_TREES.fit_classifier(x, y.astype(np.float32), CONFIG, 0).state()["tasks"][0]
    cuts = state["threshold"].numpy()[state["left"].numpy() >= 0]
    assert len(cuts) == len(np.unique(cuts)) == 20
    assert np.ptp(cuts) > 0.5


def test_wrong_config_is_refused():
    with pytest.raises(UsageError, match="class_weight is 'rare'"):
        ExtraTreesConfig(class_weight="rare")
    with pytest.raises(UsageError, match="at least 1"):
        ExtraTreesConfig(min_samples_leaf=0)
    with pytest.raises(UsageError, match="regression tasks have no classes"):
        EXTRA_TREES.fit_regressor(*data("regression"), ExtraTreesConfig(class_weight="balanced"), 0)


def test_registered():
    assert MODELS.get("extra-trees") is EXTRA_TREES
