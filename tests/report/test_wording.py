from __future__ import annotations

from dataclasses import replace

import pytest

from pbgraph.methods.base import METHODS
from pbgraph.methods.roles import PERFORATED, PLAIN
from pbgraph.report.comparisons import Comparison
from pbgraph.report.stats import EquivalenceMargin, Interval, Outcome, Verdict
from pbgraph.report.wording import verdict_words
from pbgraph.results.arms import Arm

MARGIN = EquivalenceMargin(0.01, larger_is_better=True)
NOTHING = Verdict(Outcome.INCOMPLETE)
ONE = Comparison(Arm("gin", "a"), Arm("gin", "b"), (1, 2), 3, 0.0, None, None, None, MARGIN, NOTHING)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (NOTHING, "incomplete: 2 of 3 pairs"),
        (Verdict(Outcome.ONE_SEED), "one seed: no interval, no verdict"),
        (Verdict(Outcome.NO_VARIATION), "no variation between seeds: no interval, no verdict"),
        (Verdict(Outcome.EQUIVALENT), "equivalent: the interval is within ±0.01"),
        (Verdict(Outcome.TOO_FEW), "not distinguishable; equivalence takes 5 seeds"),
        (Verdict(Outcome.NOT_DISTINGUISHABLE), "not distinguishable"),
        (Verdict(Outcome.BETTER), "gin/a is better"),
        (Verdict(Outcome.BETTER, size="more"), "gin/a is better, by more than 0.01"),
        (Verdict(Outcome.BETTER, size="less"), "gin/a is better, by less than 0.01: no difference that matters"),
        (Verdict(Outcome.WORSE), "gin/b is better"),
        (Verdict(Outcome.WORSE, size="more"), "gin/b is better, by more than 0.01"),
    ],
)
def test_every_verdict_has_its_words(verdict, words):
    assert verdict_words(replace(ONE, verdict=verdict)) == words


def test_pairs_without_any_difference_are_called_equal_and_nothing_more():
    equal = replace(ONE, verdict=Verdict(Outcome.EQUAL), interval=Interval(0.0, 0.0), p=1.0)
    assert verdict_words(equal) == "equal in all 2 pairs"


def test_roles_are_those_of_registered_methods():
    controls = [METHODS.get(name) for name in METHODS if METHODS.get(name).control_of is not None]
    assert {one.control_of for one in controls} == {PERFORATED}
    assert METHODS.get(PERFORATED).control_of is None
    assert METHODS.get(PLAIN).control_of is None
