"""Random forests, logistic regression, LightGBM and XGBoost on small tables of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pbgraph.errors import UsageError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.models.base import MODELS, Estimator
from pbgraph.models.logistic_regression import Standardiser

SMALL: dict[str, dict[str, Any]] = {
    "random-forest": {"trees": 50},
    "logistic-regression": {"c": 1.0},
    "lightgbm": {"trees": 30, "learning_rate": 0.2, "column_fraction": 1.0, "min_leaf_rows": 5},
    "xgboost": {"trees": 30, "learning_rate": 0.2, "column_fraction": 1.0, "row_fraction": 0.9},
}
NAMES = sorted(SMALL)


def estimator(name: str) -> Estimator:
    if name == "xgboost":
        pytest.importorskip("xgboost", reason="model 'xgboost' was not tested: the extra 'boost' is not installed")
    found = MODELS.get(name)
    assert isinstance(found, Estimator)
    return found


def fit(name: str, x: np.ndarray, y: np.ndarray, seed: int = 0, **config: object) -> Any:
    found = estimator(name)
    return found.fit_classifier(x, y, found.config(**{**SMALL[name], **config}), seed)


def data(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Task 0 is bit 3; task 1 is descriptor 8 > 0 where measured; task 2 is all inactive; 3 was never measured."""
    rng = np.random.default_rng(0)
    bits, descriptors = rng.integers(0, 2, size=(rows, 8)), rng.normal(size=(rows, 4))
    x = np.concatenate([bits, descriptors], axis=1).astype(np.float32)
    y = np.stack([x[:, 3], x[:, 8] > 0, np.zeros(rows), np.full(rows, np.nan)], axis=1).astype(np.float32)
    y[: rows // 3, 1] = np.nan
    x[rng.random(rows) < 0.1, 9] = np.nan
    return x, y


@pytest.mark.parametrize("name", NAMES)
def test_learns_each_task_and_gives_probabilities(name: str) -> None:
    x, y = data()
    fitted = fit(name, x[:200], y[:200])
    scores = fitted.predict(x[200:])
    assert scores.shape == (100, 4)
    assert scores.min() >= 0
    assert scores.max() <= 1
    for task in (0, 1):
        assert ((scores[:, task] > 0.5) == (y[200:, task] == 1)).mean() > 0.9
    assert (scores[:, 2] == 0).all()
    assert (scores[:, 3] == 0.5).all()
    assert fitted.parameters > 2


def restored(name: str, fitted: Any, file: Path) -> Any:
    """The prediction function that comes back from a file."""
    save_state(fitted.state(), file)
    return estimator(name).restore(load_state(file))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_predicts_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    x, y = data()
    fitted = fit(name, x[:200], y[:200])
    np.testing.assert_array_equal(restored(name, fitted, tmp_path / "s")(x), fitted.predict(x))
    if (regress := estimator(name).fit_regressor) is not None:
        values = regress(x, np.where(np.isnan(y), np.nan, 3 * y + x[:, 10:11]), estimator(name).config(), 0)
        np.testing.assert_array_equal(restored(name, values, tmp_path / "r")(x), values.predict(x))


@pytest.mark.parametrize("name", NAMES)
def test_blank_rows_and_other_tasks_change_nothing(name: str) -> None:
    x, y = data()
    first = fit(name, x, y).predict(x)
    np.testing.assert_array_equal(fit(name, x, y).predict(x), first)
    if name != "logistic-regression":  # whose columns are scaled by all training rows
        scrambled = x.copy()
        scrambled[:100] = np.random.default_rng(1).normal(size=(100, 12))
        np.testing.assert_array_equal(fit(name, scrambled, y).predict(x)[:, 1], first[:, 1])
    np.testing.assert_array_equal(fit(name, x, y[:, :1]).predict(x)[:, 0], first[:, 0])


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_seed_matters_where_columns_are_drawn(name: str) -> None:
    x, y = data()
    one, other = (fit(name, x, y[:, :2], seed, column_fraction=0.3).predict(x) for seed in (0, 1))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("name", "stumps"), [("lightgbm", {"leaves": 2}), ("xgboost", {"depth": 1})])
def test_parameters_count_splits_and_leaves(name: str, stumps: dict[str, int]) -> None:
    x, y = data()
    assert fit(name, x, y[:, :1], trees=3, **stumps).parameters == 9


def test_standardiser_uses_training_rows_alone_and_knows_bits_outliers_and_nan() -> None:
    x = np.stack([np.tile([0.0, 1.0], 100), np.arange(200.0), np.full(200, 7.0), np.full(200, np.nan)], axis=1)
    x[0, 1], x[1, 1] = 1e30, np.nan
    standardise = Standardiser.fit(x)
    z = standardise(x)
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[:, 0], np.tile([-1.0, 1.0], 100))
    assert z[0, 1] == z[:, 1].max() < 2
    assert z[1, 1] == 0
    assert abs(np.delete(z[:, 1], 1).mean()) < 1e-12
    assert (z[:, 2:] == 0).all()
    np.testing.assert_array_equal(standardise(x[:5]), z[:5])


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("logistic-regression", {"c": 0.0}, "c is 0.0"),
        ("logistic-regression", {"max_iterations": 0}, "max_iterations is 0"),
        ("lightgbm", {"trees": 0}, "at least 1"),
        ("lightgbm", {"column_fraction": 0.0}, "column_fraction is"),
        ("xgboost", {"depth": 0}, "at least 1"),
        ("xgboost", {"l2": -1.0}, "l2 is"),
        ("xgboost", {"row_fraction": 1.5}, "row_fraction"),
    ],
)
def test_wrong_config_is_refused(name: str, config: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MODELS.get(name).config(**config)
