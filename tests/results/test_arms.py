from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.errors import UsageError
from pbgraph.results.arms import Arm, as_changes, in_row_order, named_arm, parse_arm, shortened

NAMES = st.text(min_size=1).filter(lambda name: "/" not in name)
METHODS = NAMES.filter(lambda name: ":" not in name)
FIELDS = st.text("abcdefg_.", min_size=1)
VALUES = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.from_regex("[a-z][a-z+:/-]*", fullmatch=True).filter(lambda text: text not in ("true", "false", "null"))
)


@given(NAMES, METHODS, st.dictionaries(FIELDS, VALUES, max_size=3))
def test_an_arm_is_read_as_it_is_written(model, method, settings):
    arm = Arm(model, method, as_changes(settings))
    assert parse_arm(str(arm)) == arm
    assert arm.plain == Arm(model, method)


def test_a_number_of_a_variant_is_read_in_any_spelling():
    assert parse_arm("gin/backprop:learning_rate=1e-3") == parse_arm("gin/backprop:learning_rate=0.0010")


def test_variants_follow_what_they_are_variants_of():
    a, b, wide, deep = (
        Arm("a", "x"),
        Arm("b", "x"),
        Arm("a", "x", (("hidden", "64"),)),
        Arm("a", "x", (("depth", "5"),)),
    )
    other = Arm("c", "x", (("hidden", "1"),))
    assert in_row_order([b, a], [a, other, wide, deep]) == [b, a, deep, wide, other]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gin",
        "gin/",
        "/backprop",
        "gin/backprop/2",
        "/",
        "gin/backprop:",
        "gin/backprop:hidden",
        "gin/backprop:=3",
        "gin/backprop:a=1,",
    ],
)
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


@given(st.lists(st.dictionaries(st.sampled_from("ab"), VALUES, min_size=1, max_size=2), max_size=6))
def test_arms_that_are_shown_with_fewer_digits_stay_apart_and_are_found_by_what_is_shown(settings):
    every = [Arm("gin", "fit", as_changes(one)) for one in settings]
    short = shortened(every)
    assert len(set(short.values())) == len(set(every))
    assert all(named_arm(parse_arm(str(called)), every) == arm for arm, called in short.items())
    assert all(len(str(called)) <= len(str(arm)) for arm, called in short.items())


def test_a_name_with_too_few_digits_says_which_it_may_be():
    every = [parse_arm("gin/fit:rate=0.123456789"), parse_arm("gin/fit:rate=0.123466789")]
    with pytest.raises(UsageError, match=r"may be gin/fit:rate=0.123456789 or gin/fit:rate=0.123466789; write more"):
        named_arm(parse_arm("gin/fit:rate=0.1235"), every)
    with pytest.raises(UsageError, match=r"unknown arm 'gin/fit:rate=0.12'"):
        named_arm(parse_arm("gin/fit:rate=0.12"), every)


def test_a_model_and_a_method_stand_for_their_only_variant():
    wide, other = parse_arm("gin/fit:hidden=64"), parse_arm("gin/fit:hidden=32")
    plain = parse_arm("gin/fit")
    assert named_arm(plain, [wide, parse_arm("gcn/fit")]) == wide
    assert named_arm(plain, [wide, plain]) == plain
    with pytest.raises(UsageError, match=r"unknown arm 'gin/fit'; did you mean 'gin/fit:hidden"):
        named_arm(plain, [wide, other])


def test_a_label_stands_for_a_row_unless_another_is_called_so():
    wide, other = parse_arm("gin/fit:hidden=64"), parse_arm("gin/fit:hidden=32")
    called = {arm: str(name) for arm, name in shortened([wide, other], {wide: "gin · wide"}).items()}
    assert called == {wide: "gin · wide/fit", other: "gin/fit:hidden=32"}
    same = shortened([wide, other], {wide: "gin · wide", other: "gin · wide"})
    assert same == {wide: wide, other: other}
