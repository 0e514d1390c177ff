"""The random forest on small fingerprints."""

from __future__ import annotations

import numpy as np
import pytest

from pbgraph.errors import UsageError
from pbgraph.files.state_file import load_state, save_state
from pbgraph.models.random_forest import RANDOM_FOREST, RandomForestConfig, fit_classifier

SMALL = RandomForestConfig(trees=20)


def data(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Task 0 is feature 3; task 1 is feature 5 where measured; task 2 is all inactive; task 3 was never measured."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(rows, 16)).astype(np.uint8)
    y = np.stack([x[:, 3], x[:, 5], np.zeros(rows), np.full(rows, np.nan)], axis=1).astype(np.float32)
    y[: rows // 2, 1] = np.nan
    return x, y


def test_learns_each_task_and_gives_probabilities() -> None:
    x, y = data()
    scores = fit_classifier(x[:150], y[:150], SMALL, 0).predict(x[150:])
    assert scores.shape == (50, 4)
    assert scores.min() >= 0
    assert scores.max() <= 1
    for task in (0, 1):
        assert ((scores[:, task] > 0.5) == x[150:, (3, 5)[task]]).mean() > 0.9


def test_tasks_with_one_class_get_a_constant() -> None:
    x, y = data()
    scores = fit_classifier(x, y, SMALL, 0).predict(x)
    assert (scores[:, 2] == 0).all()
    assert (scores[:, 3] == 0.5).all()


def test_blank_rows_are_never_used() -> None:
    x, y = data()
    scrambled = x.copy()
    scrambled[:100] = np.random.default_rng(1).integers(0, 2, size=(100, 16))
    a, b = (fit_classifier(features, y[:, 1:2], SMALL, 0).predict(x) for features in (x, scrambled))
    np.testing.assert_array_equal(a, b)


def test_same_seed_same_forest_whatever_the_other_tasks() -> None:
    x, y = data()
    first, again, other = (fit_classifier(x, y, SMALL, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.predict(x), again.predict(x))
    assert not np.array_equal(first.predict(x), other.predict(x))
    np.testing.assert_array_equal(fit_classifier(x, y[:, :1], SMALL, 0).predict(x)[:, 0], first.predict(x)[:, 0])


def test_parameters_are_the_nodes_of_the_trees() -> None:
    x, y = data()
    stumps = RandomForestConfig(trees=7, min_samples_leaf=60)
    assert fit_classifier(x[:100], y[:100, :1], stumps, 0).parameters <= 7 * 3
    assert fit_classifier(x, y, SMALL, 0).parameters > 20 * 2 * 3


def test_balanced_classes_raise_the_scores_of_the_rare_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, size=(300, 16)).astype(np.uint8), (rng.random((300, 1)) < 0.1).astype(np.float32)
    none, balanced = (
        fit_classifier(x, y, RandomForestConfig(20, 30, weight), 0).predict(x) for weight in ("none", "balanced")
    )
    assert none.mean() < 0.2 < 0.4 < balanced.mean()


def test_wrong_config_is_refused() -> None:
    with pytest.raises(UsageError, match="class_weight is 'rare'"):
        RandomForestConfig(class_weight="rare")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 1"):
        RandomForestConfig(trees=0)


def test_registered() -> None:
    from pbgraph.models.base import MODELS

    assert MODELS.get("random-forest") is RANDOM_FOREST


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_saved_forest_predicts_what_scikit_learn_does_bit_for_bit(kind, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(400, 64)).astype(np.uint8)
    y = np.stack([x[:, 0] ^ x[:, 1], np.ones(400), np.full(400, np.nan)], axis=1).astype(np.float32)
    y[:50, 0] = np.nan
    if kind == "regression":
        y[:, 0] += rng.normal(size=400)
    fitted = RANDOM_FOREST.fitter(kind)(x, y, RandomForestConfig(trees=30), 7)
    save_state(fitted.state(), tmp_path / "forest")
    predict = RANDOM_FOREST.restore(load_state(tmp_path / "forest"))
    new = rng.integers(0, 2, size=(1000, 64)).astype(np.uint8)
    np.testing.assert_array_equal(predict(new), fitted.predict(new))
    assert predict(new[:0]).shape == (0, 3)


def test_a_forest_is_read_where_numba_has_no_place_for_its_cache(monkeypatch):
    from pbgraph.models import forest
    from pbgraph.ops import kernels

    for_real = kernels._compile

    def refuse_cache(function, types, *, fastmath, cache):
        if cache:
            raise RuntimeError("cannot cache function '_loop': no locator available")
        return for_real(function, types, fastmath=fastmath, cache=False)

    x, y = np.arange(20.0, dtype=np.float32).reshape(10, 2), np.array([[0.0], [1.0]] * 5, dtype=np.float32)
    fitted = RANDOM_FOREST.fit_classifier(x, y, RandomForestConfig(trees=3), 1)
    monkeypatch.setattr(kernels, "_compile", refuse_cache)
    forest._descend.cache_clear()
    np.testing.assert_array_equal(RANDOM_FOREST.restore(fitted.state())(x), fitted.predict(x))
