"""All arms at once: beside SciPy and statsmodels, and by simulation."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import AnovaRM

from made_records import PROVENANCE, arms, make_record
from pbgraph import bench
from pbgraph.metrics import ROC_AUC
from pbgraph.report import board
from pbgraph.report.leaderboard import leaderboard
from pbgraph.report.stability import drawn_scores, stability_of
from pbgraph.report.stats import paired_difference
from pbgraph.report.tables import make_table
from pbgraph.report.together import anova, cliques, epsilon, friedman, hedges_g, together, tukey
from pbgraph.report.together_text import to_markdown
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.predictions import Predicted

ARMS = arms("gin/backprop", "gcn/backprop", "gat/backprop", "gps/backprop")


def scores(n=6, k=4, seed=0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 0.8 + 0.01 * np.arange(k) + 0.02 * random.normal(size=(n, 1)) + 0.005 * random.normal(size=(n, k))


def test_ranks_are_those_of_friedman_and_the_distance_that_of_nemenyi():
    made = scores() + 0.02 * np.random.default_rng(1).normal(size=(6, 4))
    found, chi2 = friedman(made), stats.friedmanchisquare(*made.T).statistic
    assert found.mean == pytest.approx(np.argsort(np.argsort(-made, axis=1), axis=1).mean(axis=0) + 1)
    assert found.p == pytest.approx(stats.f.sf(5 * chi2 / (6 * 3 - chi2), 3, 15))
    # Demšar 2006, table 5: q of the Nemenyi test for 4 classifiers is 2.569
    assert found.critical == pytest.approx(2.569 * (4 * 5 / 36) ** 0.5, abs=2e-3)
    assert friedman(np.full((3, 4), 0.5)) is None


def test_blocks_that_agree_are_no_more_improbable_than_by_chance():
    assert friedman(np.array([[2.0, 1]] * 2)).p == 1 / 2
    assert friedman(np.array([[3.0, 2, 1]] * 4)).p == pytest.approx(1 / 6**3)
    assert friedman(np.array([[3.0, 1, 1]] * 3)).p == pytest.approx(1 / 3**2)
    assert friedman(np.array([np.arange(200.0)] * 2)).p == 0.0
    orders = [np.array(order, dtype=float) for order in permutations(range(3))]
    found = [friedman(np.array([orders[0], *others])).p for others in product(orders, repeat=2)]
    assert min(found) == pytest.approx(np.mean([p <= min(found) for p in found]))


def test_the_error_is_that_of_a_model_with_arms_and_blocks():
    made = scores()
    n, k = made.shape
    data = pd.DataFrame([(made[i, j], f"b{i}", f"a{j}") for i in range(n) for j in range(k)], columns=list("yba"))
    fitted = ols("y ~ C(a) + C(b)", data).fit()
    error, df = tukey(made)
    assert df == fitted.df_resid
    assert error == pytest.approx((fitted.mse_resid / n) ** 0.5)
    assert tukey(made, test_share=0.125)[0] == pytest.approx((fitted.mse_resid * (1 / n + 0.125)) ** 0.5)


def test_anova_is_that_of_repeated_measures():
    made = scores()
    n, k = made.shape
    frame = pd.DataFrame({"score": made.ravel(), "arm": np.tile(range(k), n), "block": np.repeat(range(n), k)})
    theirs = AnovaRM(frame, "score", "block", within=["arm"]).fit().anova_table.iloc[0]
    ours = anova(made)
    assert ours.f == pytest.approx(theirs["F Value"])
    assert ours.df == (theirs["Num DF"], theirs["Den DF"])
    assert stats.f.sf(ours.f, *ours.df) == pytest.approx(theirs["Pr > F"])
    assert ours.p == pytest.approx(stats.f.sf(ours.f, *(ours.epsilon * df for df in ours.df)))
    assert anova(made, test_share=0.125).f == pytest.approx(ours.f / (1 + n * 0.125))


def test_without_blocks_it_is_scipys_but_for_their_degrees_of_freedom():
    made = scores()
    theirs = stats.tukey_hsd(*(made - made.mean(axis=1, keepdims=True)).T)
    half = theirs.statistic[0, 1] - theirs.confidence_interval().low[0, 1]
    n, k = made.shape
    error, df = tukey(made)
    expected = stats.studentized_range.ppf(0.95, k, k * (n - 1)) * error * (df / (k * (n - 1))) ** 0.5
    assert half == pytest.approx(expected)


def test_tukeys_p_is_that_of_the_studentised_range_and_5_percent_where_means_are_just_told_apart():
    made = scores()
    found = anova(made, test_share=0.125)
    error, df = tukey(made, test_share=0.125)
    assert found.tukey(-0.02) == pytest.approx(stats.studentized_range.sf(0.02 / error, 4, df))
    assert found.tukey(found.apart) == pytest.approx(0.05, abs=1e-4)
    two = made[:, :2]  # of two arms it is the t test of their differences
    assert anova(two).tukey(float(np.diff(two.mean(axis=0))[0])) == pytest.approx(stats.ttest_rel(*two.T).pvalue)
    table, together_ = both(made)
    shown = to_markdown(table, together_, None).splitlines()
    (line,) = (line for line in shown if line.startswith("| gcn/backprop | gin/backprop |"))
    difference = made[:, 1].mean() - made[:, 0].mean()
    assert line.split("|")[-2].strip() == f"{anova(made, test_share=100 / 808).tukey(difference):.3f}"


def test_epsilon_is_one_where_all_differences_vary_alike_and_least_where_one_arm_alone_does():
    random = np.random.default_rng(1)
    alike = random.normal(size=(20_000, 5)) + random.normal(size=(20_000, 1))
    assert epsilon(alike) == pytest.approx(1, abs=0.01)
    assert epsilon(alike * [1, 0, 0, 0, 0]) == pytest.approx(1 / 4)
    spread = np.diag([1.0, 1.0, 4.0])  # Box 1954: by the means of a covariance, its diagonal and its rows
    rows, over = spread.mean(axis=0), spread.mean()
    expected = 9 * (spread.trace() / 3 - over) ** 2 / (2 * ((spread**2).sum() - 6 * (rows**2).sum() + 9 * over**2))
    assert epsilon(random.normal(size=(50_000, 3)) * [1, 1, 2]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("spread", [(1, 1, 1, 1, 1), (1, 1, 1, 5, 5)])
def test_intervals_hold_together_at_least_as_often_as_they_say(spread):
    """However differently differences vary, for which Tukey's would not."""
    random, missed = np.random.default_rng(1), 0
    for _ in range(400):
        table = make_table(records(random.normal(size=(6, 4)) * spread[1:]), arms=ARMS, seeds=range(6))
        blocks = replace(table.blocks, test_share=0.0)  # drawn independently
        missed += any(pair.apart for pair in together(replace(table, blocks=blocks)).pairs)
    assert missed <= 0.05 * 400 + 2 * 4.4


def test_a_pair_is_judged_by_its_own_spread():
    near = np.array(
        [[0.80, 0.811, 0.7, 0.9], [0.82, 0.830, 0.9, 0.6], [0.81, 0.821, 0.6, 0.8], [0.84, 0.851, 0.8, 0.7]]
    )
    found = {(pair.a, pair.b): pair for pair in both(near)[1].pairs}
    assert found[ARMS[1], ARMS[0]].apart
    assert not any(pair.apart for arms_of, pair in found.items() if set(arms_of) != set(ARMS[:2]))
    ours, (a, b) = found[ARMS[1], ARMS[0]], (near[:, 1], near[:, 0])
    single = paired_difference(a, b, test_share=100 / 808)
    assert ours.p == pytest.approx(min(1.0, 6 * single.p))


@given(st.lists(st.floats(1, 6), min_size=2, max_size=7), st.floats(0.1, 5))
def test_cliques_cover_exactly_the_pairs_that_are_not_apart(mean, critical):
    found = cliques(replace(friedman(scores()), mean=tuple(mean), critical=critical))
    order = sorted(mean)
    for i in range(len(mean)):
        for j in range(i + 1, len(mean)):
            assert any(a <= i and j <= b for a, b in found) == (order[j] - order[i] < critical)


def test_the_effect_size_is_unbiased():
    random = np.random.default_rng(2)
    drawn = [hedges_g(random.normal(0.5, 1.0, size=5)) for _ in range(20_000)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.02)
    assert hedges_g([0.1, 0.2]) is None
    assert hedges_g([0.1, 0.1, 0.1]) is None


def records(made: np.ndarray, *, of_one_split: bool = False):
    provenance = replace(PROVENANCE, split_sha256="one" if of_one_split else "")
    return [
        make_record(arm, seed, float(made[seed, j]), provenance=provenance)
        for j, arm in enumerate(ARMS)
        for seed in range(len(made))
    ]


def both(made: np.ndarray):
    table = make_table(records(made), arms=ARMS, seeds=range(len(made)))
    return table, together(table)


def test_places_are_shared_where_no_interval_tells_apart():
    made = records(np.array([[0.90, 0.91, 0.80, 0.70], [0.91, 0.90, 0.81, 0.71], [0.904, 0.906, 0.80, 0.705]]))
    table = make_table(made, arms=ARMS, seeds=range(3))
    found = together(table)
    assert [found.places[arm] for arm in ARMS] == [1, 1, 3, 4]
    text = to_markdown(table, found, None)
    assert "|   1 = | gcn/backprop |" in text
    assert "|     3 | gat/backprop |" in text
    assert "4 arms at once, seeds 0-2" in text


def test_a_row_behind_another_may_still_not_be_told_from_the_best():
    """It varies with that other, and not with the best."""
    ups = np.array([0.00, 0.09, -0.08, 0.05, -0.06])
    made = np.stack([0.90 + 0 * ups, 0.88 + ups, 0.86 + ups, 0.5 + 0.01 * ups], axis=1)
    made += 0.0005 * np.random.default_rng(5).normal(size=made.shape)
    table, found = both(made)
    assert [found.places[arm] for arm in ARMS] == [1, 1, 2, 4]
    assert found.first == frozenset(ARMS[:3])
    assert "2 of the 3 others are not told apart from it." in board._best(table, found)


def test_arms_that_lack_a_run_are_left_out_and_one_seed_tells_nothing():
    made = records(scores())[:-1]
    table = make_table(made, arms=ARMS, seeds=range(6))
    found = together(table)
    assert (len(found.arms), found.left_out) == (3, ARMS[3:])
    assert "left out for want of runs: gps/backprop" in to_markdown(table, found, None)
    one = make_table(made, arms=ARMS[:3], seeds=[0])
    alone = together(one)
    assert (alone.ranks, alone.pairs, len(alone.arms)) == (None, (), 3)
    assert "one block of runs tells no arms apart" in to_markdown(one, alone, None)
    assert "seed 0" in to_markdown(one, alone, None)
    nothing = make_table(made, arms=ARMS, seeds=range(9))
    assert (together(nothing).arms, together(nothing).left_out) == ((), ARMS)


def test_of_one_split_seeds_are_the_blocks(tmp_path):
    one_split = replace(PROVENANCE, split_sha256="one")
    made = [
        make_record(arm, seed, float(scores()[seed, j]), provenance=one_split)
        for j, arm in enumerate(ARMS)
        for seed in range(6)
    ]
    table = make_table(made, arms=ARMS, seeds=range(6))
    text = to_markdown(table, together(table), None)
    assert "paired t over seeds, between initialisations on one split, with Bonferroni's correction" in text
    assert "ranks over 6 seeds" in text
    assert "splits are taken for independent" not in text
    for record in made:
        ResultsFolder(tmp_path).write(record)
    assert "All pairs, paired over seeds: intervals that hold together" in leaderboard(ResultsFolder(tmp_path))


def test_runs_that_do_not_vary_have_no_rank_and_those_of_one_split_speak_of_it():
    """Two equal runs of every arm on one split are one answer, not two blocks that agree."""
    equal = make_table(records(np.array([[0.9, 0.8, 0.7, 0.6]] * 2), of_one_split=True), arms=ARMS, seeds=range(2))
    found = together(equal)
    assert (found.ranks, found.pairs, found.first) == (None, (), frozenset(ARMS[:1]))
    said = to_markdown(equal, found, None)
    assert "no variation between runs of an arm" in said
    assert "Friedman" not in said
    varied = make_table(records(scores(), of_one_split=True), arms=ARMS, seeds=range(6))
    assert "they speak of initialisations on one split" in to_markdown(varied, together(varied), None)
    assert "splits are taken for independent" in to_markdown(*both(scores()), None)


def test_runs_of_one_split_are_one_block_by_their_mean():
    made = []
    for j, arm in enumerate(ARMS):
        for seed in range(6):
            provenance = replace(PROVENANCE, split_sha256=str(seed % 3))
            made.append(make_record(arm, seed, 0.8 + 0.01 * j + 0.001 * seed * j, provenance=provenance))
    assert together(make_table(made, arms=ARMS, seeds=range(6))).scores.shape == (3, 4)


def test_the_probability_of_the_first_place_is_half_for_equals_and_one_for_the_best():
    random = np.random.default_rng(3)
    y = (random.random((300, 2)) < 0.3).astype(float)
    good, bad = y + random.normal(size=y.shape), random.normal(size=y.shape)
    seeds = [[Predicted(y, good, score, tuple(map(str, range(300)))) for score in (good, good, bad)]] * 2
    found = stability_of(drawn_scores(seeds, ROC_AUC, resamples=200))
    assert [round(one.first, 2) for one in found] == [0.5, 0.5, 0.0]
    assert [(one.low, one.high) for one in found] == [(1, 1), (1, 1), (3, 3)]


def test_molecules_that_all_seeds_share_are_drawn_once():
    """Copies of one seed leave the spread of its draws as it is."""
    random = np.random.default_rng(4)
    y = (random.random((200, 1)) < 0.5).astype(float)
    one = [Predicted(y, y, y + 2 * random.normal(size=y.shape), ("m",) * 200)]
    alone, many = (drawn_scores([one] * n, ROC_AUC, resamples=400).std() for n in (1, 10))
    assert many == pytest.approx(alone, rel=0.25)


def test_the_command_needs_both_arms_or_none(capsys, tmp_path):
    assert bench.main(["compare", "tox21", "gin/backprop", "--results", str(tmp_path)]) == 2
    assert "expected a second arm" in capsys.readouterr().err
