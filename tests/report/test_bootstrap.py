from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pbgraph.metrics import (
    AVERAGE_PRECISION,
    R2,
    RMSE,
    ROC_AUC,
    mean_over_tasks,
    weighted_average_precision,
    weighted_roc_auc,
)
from pbgraph.report.bootstrap import Draws, hierarchical_bootstrap, resampled
from pbgraph.report.stats import Interval
from pbgraph.results.predictions import Predicted


@pytest.mark.parametrize(
    ("weighted", "theirs"),
    [(weighted_roc_auc, roc_auc_score), (weighted_average_precision, average_precision_score)],
)
@given(st.integers(2, 30), st.integers(0, 2**31))
def test_weighted_scores_agree_with_scikit_learn(weighted, theirs, n, seed):
    random = np.random.default_rng(seed)
    y, score = random.integers(0, 2, n).astype(float), random.integers(0, 5, n).astype(float)
    weights = random.integers(0, 3, (6, n)).astype(float)
    found = weighted(y, score, weights)
    assert np.array_equal(found, weighted(y, score, weights.T.copy().T), equal_nan=True)
    for ours, w in zip(found, weights, strict=True):
        if w[y == 1].sum() and w[y == 0].sum():
            assert ours == pytest.approx(theirs(y, score, sample_weight=w))
        else:
            assert np.isnan(ours)


@pytest.mark.parametrize(
    ("weighted", "theirs"),
    [(weighted_roc_auc, roc_auc_score), (weighted_average_precision, average_precision_score)],
)
@pytest.mark.parametrize("positives", [0.2, 0.8])
def test_weights_need_not_be_whole_numbers(weighted, theirs, positives):
    random = np.random.default_rng(0)
    y, score, weights = (random.random(40) < positives).astype(float), random.integers(0, 9, 40), random.random((6, 40))
    expected = [theirs(y, score, sample_weight=w) for w in weights]
    assert weighted(y, score, weights) == pytest.approx(expected, abs=1e-12)
    worst = weighted(y, -y, weights)
    assert (worst >= 0).all()
    assert weighted is weighted_average_precision or worst == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int8, np.float32])
@pytest.mark.parametrize("metric", [ROC_AUC, AVERAGE_PRECISION], ids=lambda metric: metric.name)
def test_weighted_scores_are_of_any_type(metric, kind):
    y, score = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0]), np.array([0, 1, 2, 3, 4, 1]).astype(kind)
    assert metric.weighted(y, score, np.ones((1, 6))) == pytest.approx([metric.score(y, score)])


def predictions(seed: int, gain: float, n: int = 120) -> Predicted:
    """Scores of two arms on two tasks with blanks; arm a sees the label `gain` more clearly."""
    random = np.random.default_rng(seed)
    y = (random.random((n, 2)) < 0.3).astype(float)
    noise = random.normal(size=(n, 2))
    a, b = y * (1 + gain) + noise, y + noise
    y[random.random(y.shape) < 0.1] = np.nan
    return Predicted(y, a, b)


def test_bootstrap_holds_the_measured_difference_and_is_the_same_each_time():
    seeds = [predictions(seed, 1.0) for seed in range(4)]
    measured = np.mean([mean_over_tasks(ROC_AUC, s.y, s.a) - mean_over_tasks(ROC_AUC, s.y, s.b) for s in seeds])
    interval = hierarchical_bootstrap(seeds, ROC_AUC, resamples=400)
    assert interval.low < measured < interval.high
    assert interval.low > 0
    assert interval == hierarchical_bootstrap(seeds, ROC_AUC, resamples=400)
    assert interval != hierarchical_bootstrap(seeds, ROC_AUC, resamples=400, seed=1)


@pytest.mark.parametrize("metric", [ROC_AUC, AVERAGE_PRECISION, RMSE], ids=lambda metric: metric.name)
def test_how_many_resamples_are_looked_at_together_changes_nothing(metric, monkeypatch):
    """But for rounding; of ROC-AUC, whose sums are of whole numbers, nothing at all."""
    one = predictions(5, 0.3)

    def drawn() -> np.ndarray:
        return resampled(one.y, [one.a, one.b], metric, resamples=50, random=np.random.default_rng(0))

    together = drawn()
    for rows in (1, 7 * len(one.y)):
        monkeypatch.setattr("pbgraph.report.bootstrap.AT_ONCE", rows)
        assert np.allclose(drawn(), together, rtol=1e-12, atol=0)
        assert metric is not ROC_AUC or np.array_equal(drawn(), together)


def test_bootstrap_of_equal_arms_is_zero():
    assert hierarchical_bootstrap([predictions(0, 0.0)], ROC_AUC, resamples=50) == Interval(0.0, 0.0)


def test_bootstrap_of_arms_with_equal_scores_is_zero_whatever_molecules_are_drawn():
    """Both are resampled on the same molecules, so that what is common to both cancels; drawn apart, it would not."""
    for metric, one in ((ROC_AUC, predictions(0, 1.0)), (RMSE, values(0, 1.5))):
        same = [replace(one, b=one.a)] * 3
        assert hierarchical_bootstrap(same, metric, resamples=100) == Interval(0.0, 0.0)


@pytest.mark.parametrize("metric", [ROC_AUC, AVERAGE_PRECISION], ids=lambda metric: metric.name)
def test_bootstrap_is_that_of_the_definition_with_one_draw_of_molecules_for_both_arms(metric):
    """Against the definition: the standard deviation over resamples of seeds and of rows common to both arms."""
    seeds = [predictions(seed, 0.05, n=60) for seed in range(3)]
    random = np.random.default_rng(1)

    def difference(one: Predicted) -> float:
        rows = random.integers(len(one.y), size=len(one.y))
        return mean_over_tasks(metric, one.y[rows], one.a[rows]) - mean_over_tasks(metric, one.y[rows], one.b[rows])

    drawn = [np.mean([difference(seeds[i]) for i in random.integers(3, size=3)]) for _ in range(600)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = hierarchical_bootstrap(seeds, metric, resamples=4000)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_bootstrap_of_one_test_set_draws_its_molecules_for_all_seeds_together():
    """So copies of one run say nothing new; with molecules drawn for each, ten of them narrow it to a third."""
    one = predictions(3, 0.2)
    few, many = (hierarchical_bootstrap([one] * copies, ROC_AUC, resamples=300) for copies in (2, 10))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))
    other = replace(one, mol_ids=tuple(map(str, range(len(one.y)))))
    both = hierarchical_bootstrap([one, other] * 5, ROC_AUC, resamples=300)
    assert 0.5 * (many.high - many.low) < both.high - both.low < many.high - many.low
    ten = [replace(one, mol_ids=tuple(f"{copy} {row}" for row in range(len(one.y)))) for copy in range(10)]
    apart = hierarchical_bootstrap(ten, ROC_AUC, resamples=300)
    assert apart.high - apart.low < 0.5 * (many.high - many.low)


def test_a_split_counts_once_among_what_is_drawn():
    """With three initialisations on the first of two splits, the mean is that of the splits, which are drawn whole."""
    values = np.repeat([[1.0], [1.0], [1.0], [0.0]], 4000, axis=1)
    means = Draws([0, 0, 0, 1], 4000, 0).means(values)
    assert means.mean() == pytest.approx(0.5, abs=0.02)
    assert set(means) == {0.0, 0.5, 1.0}
    of_runs = Draws([0, 0, 1], 4000, 0).means(np.repeat([[2.0], [0.0], [1.0]], 4000, axis=1))
    assert of_runs.mean() == pytest.approx(1, abs=0.02)
    assert set(of_runs) == {0.0, 0.5, 1.0, 1.5, 2.0}


def test_bootstrap_draws_a_molecule_with_all_its_tasks():
    """So a task that is there twice says nothing new; drawn task by task, the interval would become narrower."""
    one = predictions(2, 0.1)
    first, twice = (Predicted(one.y[:, rows], one.a[:, rows], one.b[:, rows]) for rows in ([0], [0, 0]))
    assert hierarchical_bootstrap([twice], ROC_AUC, resamples=99) == hierarchical_bootstrap(
        [first], ROC_AUC, resamples=99
    )


def rare(n: int = 8) -> Predicted:
    """One positive among n molecules, which arm a ranks first and arm b last: without it nothing is defined."""
    y = np.zeros((n, 1))
    y[0] = 1
    return Predicted(y, y, -y)


def test_bootstrap_leaves_out_what_is_undefined():
    assert hierarchical_bootstrap([rare()], ROC_AUC, resamples=300) == Interval(1.0, 1.0)
    nothing = Predicted(np.zeros((8, 1)), np.zeros((8, 1)), np.ones((8, 1)))
    assert hierarchical_bootstrap([nothing], ROC_AUC, resamples=30) is None
    mixed = hierarchical_bootstrap([nothing, rare()], ROC_AUC, resamples=300)
    assert mixed == Interval(1.0, 1.0)


def test_bootstrap_needs_a_seed():
    with pytest.raises(ValueError, match="no seed"):
        hierarchical_bootstrap([], ROC_AUC)


def values(seed: int, noise: float, n: int = 120) -> Predicted:
    """Values of two arms for two tasks with blanks; arm b has `noise` times the error of arm a."""
    random = np.random.default_rng(seed)
    y, error = random.normal(size=(2, n, 2))
    a, b = y + error, y + noise * error
    y[random.random(y.shape) < 0.1] = np.nan
    return Predicted(y, a, b)


@pytest.mark.parametrize("metric", [RMSE, R2], ids=lambda metric: metric.name)
def test_bootstrap_of_errors_holds_the_measured_difference(metric):
    seeds = [values(seed, 1.5) for seed in range(3)]
    measured = np.mean([mean_over_tasks(metric, s.y, s.a) - mean_over_tasks(metric, s.y, s.b) for s in seeds])
    interval = hierarchical_bootstrap(seeds, metric, resamples=300)
    assert interval.low < measured < interval.high
    assert (interval.high < 0) if metric is RMSE else (interval.low > 0)


def test_bootstrap_gives_the_same_by_repeating_rows_as_by_weighting_them():
    of_classes = [predictions(0, 1.0)]
    for metric, seeds in ((RMSE, [values(0, 1.5)]), (ROC_AUC, of_classes), (AVERAGE_PRECISION, of_classes)):
        slow = hierarchical_bootstrap(seeds, replace(metric, weighted=None), resamples=60)
        fast = hierarchical_bootstrap(seeds, metric, resamples=60)
        assert (slow.low, slow.high) == pytest.approx((fast.low, fast.high), rel=1e-9)
