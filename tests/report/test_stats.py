from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_rel
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
from pbgraph.report.stats import (
    Difference,
    Draws,
    EquivalenceMargin,
    Interval,
    Outcome,
    Verdict,
    hierarchical_bootstrap,
    holm,
    mixed_difference,
    paired_difference,
    verdict,
)
from pbgraph.results.predictions import Predicted

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12)


@given(SCORES)
def test_without_overlap_it_is_the_paired_t_test(pairs):
    a, b = map(np.array, zip(*pairs, strict=True))
    if np.std(a - b) < 1e-9:
        return
    ours, theirs = paired_difference(a, b, test_share=0.0), ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)
    assert (ours.interval.low, ours.interval.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_overlap_widens_the_interval_by_nadeau_and_bengios_factor():
    a, b = [0.80, 0.84, 0.83], [0.79, 0.80, 0.84]
    plain, corrected = (paired_difference(a, b, test_share=share).interval for share in (0.0, 0.125))
    widths = [interval.high - interval.low for interval in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 3 + 0.125) / (1 / 3)))


def test_a_single_pair_has_neither_interval_nor_p():
    found = paired_difference([0.8], [0.7], test_share=0.125)
    assert (found.n, found.interval, found.p) == (1, None, None)
    assert found.mean == pytest.approx(0.1)


def test_equal_scores_do_not_differ():
    for b in ([0.5, 0.7], [0.5 + 1e-16, 0.7 - 1e-16]):
        found = paired_difference([0.5, 0.7], b, test_share=0.1)
        assert (found.mean, found.p) == (pytest.approx(0, abs=1e-15), 1.0)
        assert found.interval.low == found.interval.high == found.mean


@pytest.mark.parametrize("b", [(0.5, 0.25), (0.7, 0.4), (0.65, 0.35)])
def test_differences_without_variation_can_be_judged_by_nothing(b):
    found = paired_difference([b[0] + 0.1, b[1] + 0.1], b, test_share=0.0)
    assert (found.n, found.interval, found.p) == (2, None, None)
    assert found.mean == pytest.approx(0.1)


@pytest.mark.parametrize("scores", [([], []), ([0.5], [0.5, 0.6])])
def test_what_cannot_be_paired_is_refused(scores):
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_difference(*scores, test_share=0.1)


@settings(max_examples=20)
@given(arrays(np.float64, (5, 3), elements=st.floats(-1, 1, width=32)))
def test_a_mixed_model_of_a_balanced_design_is_the_analysis_of_variance(values):
    """There REML has a closed form: the mean square between splits, or the pooled one if that is larger, by runs."""
    splits, times = values.shape
    between = times * values.mean(1).var(ddof=1)
    within = float(values.var(axis=1, ddof=1).mean())
    assume(within > 1e-3)
    assume(between > 1.5 * within or between < 0.5 * within)
    pooled = values.var(ddof=1)
    error = ((between if between > within else pooled) / values.size) ** 0.5
    found = mixed_difference([0.01 * value for value in values.ravel()], np.repeat(range(splits), times).tolist())
    assert found.mean == pytest.approx(0.01 * values.mean(), abs=1e-6)
    assert found.interval.high - found.mean == pytest.approx(0.01 * 2.776445 * error, rel=2e-3)


@pytest.mark.parametrize(
    ("differences", "splits"), [((0.1, 0.2), (1, 2)), ((0.1, 0.2), (1, 1)), ((0.1,) * 4, (1, 1, 2, 2))]
)
def test_a_mixed_model_needs_splits_that_are_there_twice_and_something_that_varies(differences, splits):
    assert mixed_difference(differences, splits) is None


def test_holm_multiplies_the_smallest_by_the_count_and_stays_monotone():
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


@settings(max_examples=20)  # theirs collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p):
    from statsmodels.stats.multitest import multipletests  # takes long to import, which holm spares tables

    assert holm(p) == list(multipletests(p, method="holm")[1])


def judged(interval, p, *, n=5, larger_is_better=True) -> Verdict:
    by = EquivalenceMargin(0.01, larger_is_better=larger_is_better)
    return verdict(Difference(n, 0.0, interval, p), p, by=by)


@pytest.mark.parametrize(
    ("interval", "p", "expected"),
    [
        (Interval(0.011, 0.02), 0.001, Verdict(Outcome.BETTER, relevant=True)),
        (Interval(0.002, 0.02), 0.001, Verdict(Outcome.BETTER)),
        (Interval(-0.02, -0.002), 0.001, Verdict(Outcome.WORSE)),
        (Interval(-0.03, -0.02), 0.001, Verdict(Outcome.WORSE, relevant=True)),
        (Interval(0.002, 0.02), 0.08, Verdict(Outcome.NOT_DISTINGUISHABLE)),
        (Interval(-0.002, 0.02), 0.3, Verdict(Outcome.NOT_DISTINGUISHABLE)),
        (Interval(-0.002, 0.003), 0.3, Verdict(Outcome.EQUIVALENT)),
        (Interval(0.0, 0.0), 1.0, Verdict(Outcome.EQUIVALENT)),
    ],
)
def test_verdicts(interval, p, expected):
    assert judged(interval, p) == expected


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_seeds_are_never_equivalent(n):
    assert judged(Interval(-0.002, 0.003), 0.3, n=n) == Verdict(Outcome.TOO_FEW)
    assert judged(Interval(0.011, 0.02), 0.001, n=n) == Verdict(Outcome.BETTER, relevant=True)


def test_the_verdict_says_why_there_is_no_interval():
    found = [judged(None, None, n=n).outcome for n in (1, 3)]
    assert found == [Outcome.ONE_SEED, Outcome.NO_VARIATION]


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_a_gain_of_a_score_is_a_loss_of_an_error(one, other, p):
    interval = Interval(*sorted((one, other)))
    turned = Interval(-interval.high, -interval.low)
    assert judged(interval, p) == judged(turned, p, larger_is_better=False)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.011, 0.02), Verdict(Outcome.WORSE, relevant=True)),
        (Interval(-0.02, -0.002), Verdict(Outcome.BETTER)),
        (Interval(-0.002, 0.003), Verdict(Outcome.EQUIVALENT)),
    ],
)
def test_verdicts_where_smaller_is_better(interval, expected):
    assert judged(interval, 0.001, larger_is_better=False) == expected


@pytest.mark.parametrize(
    ("weighted", "theirs"),
    [(weighted_roc_auc, roc_auc_score), (weighted_average_precision, average_precision_score)],
)
@given(st.integers(2, 30), st.integers(0, 2**31))
def test_weighted_scores_agree_with_scikit_learn(weighted, theirs, n, seed):
    random = np.random.default_rng(seed)
    y, score = random.integers(0, 2, n).astype(float), random.integers(0, 5, n).astype(float)
    weights = random.integers(0, 3, (6, n)).astype(float)
    for ours, w in zip(weighted(y, score, weights), weights, strict=True):
        if w[y == 1].sum() and w[y == 0].sum():
            assert ours == pytest.approx(theirs(y, score, sample_weight=w))
        else:
            assert np.isnan(ours)


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
