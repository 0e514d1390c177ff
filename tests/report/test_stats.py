from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t, ttest_rel

from pbgraph.report.stats import (
    Difference,
    EquivalenceMargin,
    Interval,
    Outcome,
    Verdict,
    holm,
    mixed_difference,
    paired_difference,
    verdict,
)

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
    times_more = max(between - within, 0.0) / times  # by the mean squares, as REML has it in a balanced design
    assert found.between == pytest.approx(0.01 * times_more**0.5, rel=5e-3, abs=1e-6)
    assert found.within == pytest.approx(0.01 * (within if times_more else pooled) ** 0.5, rel=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
def test_a_mixed_model_of_an_unbalanced_design_is_the_best_by_its_likelihood(seed, ratio):
    """Second initialisations on some of the splits; beside the matrices of generalised least squares."""
    random = np.random.default_rng(seed)
    splits = np.concatenate([np.arange(12), np.arange(5)])
    values = 0.4 + ratio * random.normal(size=12)[splits] + random.normal(size=17)
    same, fits = splits[:, None] == splits[None, :], []
    for between in (0.0, *np.logspace(-4, 4, 400)):
        covariance = np.eye(17) + between * same
        inverse = np.linalg.inv(covariance)
        weight = float(inverse.sum())
        mean = float(inverse.sum(0) @ values) / weight
        squares = float((values - mean) @ inverse @ (values - mean))
        fit = 16 * np.log(squares) + np.linalg.slogdet(covariance)[1] + np.log(weight)
        fits.append((fit, mean, (squares / 16 / weight) ** 0.5, squares / 16, between))
    _, mean, error, variance, share = min(fits)
    found = mixed_difference(values.tolist(), splits.tolist())
    assert found.mean == pytest.approx(mean, abs=0.01 * error)
    assert found.interval.high - found.mean == pytest.approx(t.ppf(0.975, 11) * error, rel=0.01)
    assert found.p == pytest.approx(2 * t.sf(abs(mean) / error, 11), abs=0.01)
    assert found.within == pytest.approx(variance**0.5, rel=0.01)
    assert found.between == pytest.approx((share * variance) ** 0.5, rel=0.02, abs=0.02 * found.within)


@pytest.mark.parametrize(
    ("differences", "splits"),
    [((0.1, 0.2), (1, 2)), ((0.1, 0.2), (1, 1)), ((0.1,) * 4, (1, 1, 2, 2)), ((0.1, 0.1, 0.2, 0.2), (1, 1, 2, 2))],
)
def test_a_mixed_model_needs_splits_that_are_there_twice_and_something_that_varies_within_one(differences, splits):
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
        (Interval(0.011, 0.02), 0.001, Verdict(Outcome.BETTER, size="more")),
        (Interval(0.002, 0.02), 0.001, Verdict(Outcome.BETTER)),
        (Interval(-0.02, -0.002), 0.001, Verdict(Outcome.WORSE)),
        (Interval(-0.03, -0.02), 0.001, Verdict(Outcome.WORSE, size="more")),
        (Interval(0.002, 0.02), 0.08, Verdict(Outcome.NOT_DISTINGUISHABLE)),
        (Interval(-0.002, 0.02), 0.3, Verdict(Outcome.NOT_DISTINGUISHABLE)),
        (Interval(-0.002, 0.003), 0.3, Verdict(Outcome.EQUIVALENT)),
        (Interval(0.002, 0.008), 0.001, Verdict(Outcome.BETTER, size="less")),
        (Interval(0.002, 0.008), 0.08, Verdict(Outcome.EQUIVALENT)),
        (Interval(-0.008, -0.002), 0.001, Verdict(Outcome.WORSE, size="less")),
        (Interval(0.0, 0.0), 1.0, Verdict(Outcome.EQUAL)),
        (Interval(-0.001, 0.0), 1.0, Verdict(Outcome.EQUIVALENT)),
    ],
)
def test_verdicts(interval, p, expected):
    assert judged(interval, p) == expected


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_seeds_are_never_equivalent(n):
    assert judged(Interval(-0.002, 0.003), 0.3, n=n) == Verdict(Outcome.TOO_FEW)
    assert judged(Interval(0.011, 0.02), 0.001, n=n) == Verdict(Outcome.BETTER, size="more")
    assert judged(Interval(0.002, 0.003), 0.001, n=n) == Verdict(Outcome.BETTER)
    assert judged(Interval(0.0, 0.0), 1.0, n=n) == Verdict(Outcome.EQUAL)  # which takes no inference


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
        (Interval(0.011, 0.02), Verdict(Outcome.WORSE, size="more")),
        (Interval(-0.02, -0.002), Verdict(Outcome.BETTER)),
        (Interval(-0.002, 0.003), Verdict(Outcome.EQUIVALENT)),
    ],
)
def test_verdicts_where_smaller_is_better(interval, expected):
    assert judged(interval, 0.001, larger_is_better=False) == expected
