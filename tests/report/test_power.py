"""How many seeds tell two arms apart: beside the noncentral t of SciPy, and by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, t

from made_records import PROVENANCE, arms, make_record
from pbgraph.report.comparisons import compare
from pbgraph.report.power import MOST, WANTED, power_of, probability, probability_of_equivalence, seeds_needed
from pbgraph.report.stats import Outcome, paired_difference

A, B = arms("trimnet/perforated", "trimnet/backprop")


@pytest.mark.parametrize(("n", "sd", "share"), [(2, 0.01, 0.0), (3, 0.01, 0.125), (10, 0.02, 0.125), (50, 0.03, 0.0)])
def test_it_is_the_noncentral_t(n, sd, share):
    shift, limit = 0.01 / (sd * (1 / n + share) ** 0.5), t.ppf(0.975, n - 1)
    expected = nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift)
    assert probability(0.01, sd, n, test_share=share) == pytest.approx(expected, abs=2e-3)


def test_it_is_how_often_the_test_finds_a_difference():
    random = np.random.default_rng(0)
    found = [
        paired_difference(random.normal(0.01, 0.015, 8), np.zeros(8), test_share=0.0).p < 0.05 for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(probability(0.01, 0.015, 8, test_share=0.0), abs=0.03)


@pytest.mark.parametrize(
    ("n", "sd", "share"), [(5, 0.005, 0.0), (50, 0.0077, 0.125), (35, 0.0077, 0.125), (4, 0.001, 0.0)]
)
def test_equal_arms_are_called_equivalent_as_often_as_in_a_simulation(n, sd, share):
    """With what overlapping training sets have in common, which the correction is for, as one shift of all seeds."""
    random, common = np.random.default_rng(1), sd * share**0.5
    draws = [
        paired_difference(random.normal(random.normal(0.0, common), sd, n), np.zeros(n), test_share=share)
        for _ in range(2000)
    ]
    within = [one for one in draws if max(-one.interval.low, one.interval.high) < 0.01 and n >= 5]
    expected = probability_of_equivalence(0.01, sd, n, test_share=share)
    assert len(within) / len(draws) == pytest.approx(expected, abs=0.03)


def test_among_many_comparisons_a_difference_is_found_less_often():
    made = records(0.005, -0.003, 0.008, 0.02, -0.01, 0.003)
    one = compare(made, A, B, seeds=range(1, 7))
    alone, among = power_of(one, made), power_of(one, made, tests=28)
    assert alone.power == among.power == alone.adjusted > among.adjusted
    assert among.adjusted == pytest.approx(
        probability(0.01, np.std([0.005, -0.003, 0.008, 0.02, -0.01, 0.003], ddof=1), 6, test_share=100 / 808, tests=28)
    )
    assert "first step of Holm's correction over 28" in among.words
    assert "Holm" not in alone.words


@given(st.floats(0.001, 0.1), st.sampled_from([0.0, 0.01, 0.125]))
def test_the_seeds_needed_are_the_fewest(sd, share):
    needed = seeds_needed(0.01, sd, test_share=share)
    if needed is None:
        assert probability(0.01, sd, MOST, test_share=share) < WANTED
        return
    assert probability(0.01, sd, needed, test_share=share) >= WANTED
    assert needed == 2 or probability(0.01, sd, needed - 1, test_share=share) < WANTED


def records(*differences, seconds=60.0):
    made = []
    for seed, difference in enumerate(differences, 1):
        made += [make_record(A, seed, 0.8 + difference), make_record(B, seed, 0.8)]
    return [replace(one, cost=replace(one.cost, seconds=seconds)) for one in made]


def power(made):
    seeds = sorted({one.spec.seed for one in made})
    return power_of(compare(made, A, B, seeds=seeds), made)


def test_what_more_seeds_cost_is_what_both_arms_took():
    found = power(records(0.005, -0.003, 0.008))
    assert (found.relevant, found.seeds, found.seconds) == (0.01, 3, 120.0)
    assert found.needed > 3
    hours = f"{found.needed} seeds, {found.needed - 3} more: about "
    assert hours in found.words


def test_what_no_number_of_seeds_finds_is_said():
    assert "no number of seeds up to 2,000 finds it" in power(records(0.1, -0.1, 0.2)).words


def test_without_a_spread_there_is_no_power():
    assert power(records(0.01)) is None
    assert power(records(0.01, 0.01)) is None


def test_an_external_result_costs_nothing_that_is_known():
    made = records(0.005, -0.01, 0.012)
    found = power([replace(one, cost=None) if one.spec.arm == A else one for one in made])
    assert found.seconds is None
    assert "worker" not in found.words


def test_initialisations_of_one_split_count_once():
    """Six runs on three splits are three differences, too few to be equivalent; a split more costs two runs of each."""
    made = []
    for seed, gain in enumerate((0.001, 0.002, -0.001, 0.0, 0.001, 0.0015)):
        provenance = replace(PROVENANCE, split_sha256=f"split {seed % 3}")
        made += [make_record(arm, seed, test, provenance=provenance) for arm, test in ((A, 0.8 + gain), (B, 0.8))]
    judged = compare(made, A, B, seeds=range(6))
    assert judged.units == 3
    assert judged.verdict.outcome is Outcome.TOO_FEW
    found = power_of(judged, made)
    assert (found.seeds, found.seconds) == (3, 2 * 120.0)
