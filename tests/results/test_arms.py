from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.errors import UsageError
from pbgraph.results.arms import Arm, parse_arm

NAMES = st.text(min_size=1).filter(lambda name: "/" not in name)


@given(NAMES, NAMES)
def test_an_arm_is_read_as_it_is_written(model, method):
    assert parse_arm(str(Arm(model, method))) == Arm(model, method)


@pytest.mark.parametrize("text", ["", "gin", "gin/", "/backprop", "gin/backprop/2", "/"])
def test_what_is_no_arm_is_named(text):
    with pytest.raises(UsageError, match=f"arm '{text}' is not MODEL/METHOD"):
        parse_arm(text)


def test_arms_are_in_the_order_of_their_models_then_methods():
    assert sorted([Arm("b", "a"), Arm("a-1", "b"), Arm("a", "c"), Arm("a", "b")]) == [
        Arm("a", "b"),
        Arm("a", "c"),
        Arm("a-1", "b"),
        Arm("b", "a"),
    ]
