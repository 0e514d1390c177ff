"""Estimators on tasks whose labels are numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pbgraph.errors import UsageError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.models.base import MODELS, Estimator

SMALL: dict[str, dict[str, Any]] = {
    "lightgbm": {"trees": 60, "learning_rate": 0.2, "column_fraction": 1.0, "min_leaf_rows": 5},
    "random-forest": {"trees": 40},
    "ridge": {"alpha": 1.0},
    "xgboost": {"trees": 60, "learning_rate": 0.2, "column_fraction": 1.0},
}


def regress(name: str, x: np.ndarray, y: np.ndarray, seed: int = 0) -> Any:
    if name == "xgboost":
        pytest.importorskip("xgboost", reason="model 'xgboost' was not tested: the extra 'boost' is not installed")
    found = MODELS.get(name)
    assert isinstance(found, Estimator)
    return found.fitter("regression")(x, y, found.config(**SMALL[name]), seed)


def data(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Task 0 is 1000 + 100 x bits; task 1 is minus bit 3 where measured; task 2 is constant; 3 was never measured."""
    x = np.random.default_rng(0).integers(0, 2, size=(rows, 8)).astype(np.float32)
    y = np.stack([1000 + 100 * x[:, :4].sum(1), -x[:, 3], np.full(rows, 7.5), np.full(rows, np.nan)], axis=1)
    y[: rows // 3, 1] = np.nan
    return x, y.astype(np.float32)


@pytest.mark.parametrize("name", SMALL)
def test_learns_each_task_in_its_units(name: str) -> None:
    x, y = data()
    fitted = regress(name, x[:200], y[:200])
    values = fitted.predict(x[200:])
    assert values.shape == (100, 4)
    for task in (0, 1):
        error = np.sqrt(np.mean((values[:, task] - y[200:, task]) ** 2))
        assert error < 0.3 * y[200:, task].std()
    assert (values[:, 2] == 7.5).all()
    assert (values[:, 3] == 0).all()
    assert fitted.parameters > 2


@pytest.mark.parametrize("name", SMALL)
def test_what_was_saved_gives_the_same_values_bit_for_bit(name: str, tmp_path: Path) -> None:
    x, y = data()
    fitted = regress(name, x[:200], y[:200])
    save_state(fitted.state(), tmp_path / "state")
    restore = MODELS.get(name).restore  # type: ignore[union-attr]
    np.testing.assert_array_equal(restore(load_state(tmp_path / "state"))(x), fitted.predict(x))


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_values_whatever_the_other_tasks(name: str) -> None:
    x, y = data()
    first = regress(name, x, y).predict(x)
    np.testing.assert_array_equal(regress(name, x, y[:, :1]).predict(x)[:, 0], first[:, 0])


def test_each_kind_is_refused_by_what_is_not_made_for_it() -> None:
    with pytest.raises(UsageError, match="'logistic-regression': it is for classification, not for regression tasks"):
        MODELS.get("logistic-regression").fitter("regression")  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="'ridge': it is for regression, not for classification tasks"):
        MODELS.get("ridge").fitter("classification")  # type: ignore[union-attr]


def test_class_weights_mean_nothing_for_numbers() -> None:
    found = MODELS.get("random-forest")
    assert isinstance(found, Estimator)
    with pytest.raises(UsageError, match="regression tasks have no classes"):
        found.fitter("regression")(*data(), found.config(class_weight="balanced"), 0)


def test_ridge_needs_a_penalty() -> None:
    with pytest.raises(UsageError, match=r"alpha is 0\.0"):
        MODELS.get("ridge").config(alpha=0.0)
