"""Ranges that settings are searched in, and what every registered model and method declares."""

from __future__ import annotations

import random
from dataclasses import dataclass, make_dataclass
from typing import Literal

import pytest

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.fields import field_names
from pbgraph.methods.base import METHODS, chain
from pbgraph.methods.training import TrainSettings
from pbgraph.models.base import MODELS
from pbgraph.spaces import Choice, Real, Whole, check_space
from pbgraph.testing.base import CheckFailed, require_space

Config = make_dataclass(
    "Config", [("hidden", int, 3), ("readout", Literal["sum", "mean"], "sum"), ("rate", float, 0.1)], frozen=True
)


def drawn(range_, source: random.Random):
    if isinstance(range_, Choice):
        return source.choice(range_.values)
    if isinstance(range_, Whole):
        return source.randint(range_.low, range_.high)
    return source.uniform(range_.low, range_.high)


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        (Choice(1, "a", None, False), [1, "a", None, False], [0, True, 1.0, "b"]),
        (Whole(2, 5), [2, 3, 5], [1, 6, 3.0, True, "3", None]),
        (Real(0.5, 2.0, log=True), [0.5, 1, 2.0], [0.4, 2.1, True, "1", None]),
    ],
)
def test_a_range_holds_what_lies_in_it(range_, inside, outside):
    assert all(map(range_.holds, inside))
    assert not any(map(range_.holds, outside))


@pytest.mark.parametrize(
    "make",
    [
        Choice,
        lambda: Choice(1, 1),
        lambda: Whole(3, 3),
        lambda: Whole(4, 3),
        lambda: Whole(0, 3, log=True),
        lambda: Real(0.0, 1.0, log=True),
        lambda: Real(0.0, float("inf")),
        lambda: Real(float("nan"), 1.0),
    ],
)
def test_a_range_that_is_none_is_refused(make):
    with pytest.raises(UsageError, match="expected"):
        make()


def test_a_field_that_does_not_exist_is_named_with_its_owner_and_the_nearest():
    with pytest.raises(UsageError, match=r"model 'x'.*'hiden'; did you mean 'hidden'\?"):
        check_space({"hiden": Choice(1)}, Config, owner="model 'x'")


@pytest.mark.parametrize(
    "space", [{"hidden": Choice(1, "many")}, {"hidden": Real(0.5, 3.5)}, {"readout": Choice("sum", "max")}]
)
def test_a_value_of_a_wrong_type_is_named(space):
    with pytest.raises(UsageError, match=r"in the space of model 'x'.*expected"):
        check_space(space, Config, owner="model 'x'")


def test_what_is_no_range_is_refused():
    with pytest.raises(PbgraphError, match="gives hidden a tuple; expected Choice"):
        check_space({"hidden": (1, 2)}, Config, owner="model 'x'")


@pytest.mark.parametrize("registry", [MODELS, METHODS], ids=["model", "method"])
def test_every_point_of_every_space_is_a_valid_setting(registry):
    source = random.Random(0)
    for one in registry.working():
        types = [one.config] if registry is MODELS else [link.settings for link in chain(one)]
        check_space(one.space, *types, owner=one.name)
        for _ in range(200):
            values = {name: drawn(range_, source) for name, range_ in one.space.items()}
            for type_ in types:
                type_(**{name: value for name, value in values.items() if name in field_names(type_)})


def test_every_model_and_every_method_that_trains_has_a_space():
    assert [one.name for one in MODELS.working() if not one.space] == []
    trains = [one for one in METHODS.working() if issubclass(one.settings, TrainSettings)]
    assert {one.name for one in trains if not one.control_of} == {"backprop", "perforated"}
    assert all("learning_rate" in one.space for one in trains)


def test_a_field_of_neither_a_control_nor_what_it_is_paired_with_is_named():
    @dataclass(frozen=True)
    class OfPair:
        cycles: int = 3

    check_space({"hidden": Choice(1), "cycles": Choice(1)}, Config, OfPair, owner="method 'x'")
    with pytest.raises(UsageError, match=r"method 'x'.*'cycle'; did you mean 'cycles'\?"):
        check_space({"cycle": Choice(1)}, Config, OfPair, owner="method 'x'")
    with pytest.raises(UsageError, match=r"in the space of method 'x', cycles.*expected"):
        check_space({"cycles": Choice("many")}, Config, OfPair, owner="method 'x'")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"rates": Real(0.1, 1.0)}, "did you mean 'rate'"),
        ({"hidden": Choice("wide")}, "expected a whole number"),
        ({"trees": Whole(0, 100)}, "trees is 0, expected at least 1"),
    ],
)
def test_the_conformance_checks_reject_a_space_that_does_not_fit(space, words):
    type_ = MODELS.get("random-forest").config if "trees" in space else Config
    with pytest.raises(CheckFailed, match=words):
        require_space(space, type_)
