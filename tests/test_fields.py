from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from pbgraph.errors import UsageError
from pbgraph.fields import LATER, Setting, checked, from_text, settings_of, told
from pbgraph.methods.base import METHODS
from pbgraph.models.base import MODELS, Architecture
from pbgraph.plans.settings import parse_assignment


@dataclass(frozen=True)
class Base:
    """Settings of the base.

    rate      of learning,
              per step
    sizes_of  nothing: no field
    rounds    how many
    """

    rate: float = 0.5
    rounds: int | None = None


@dataclass(frozen=True)
class Derived(Base):
    """More of them.

    rounds   how many times
    mode     which
    """

    mode: str = "fast"
    silent: bool = False


def test_fields_have_types_defaults_and_what_docstrings_say():
    assert settings_of(Derived) == [
        Setting("rate", "float", 0.5, "of learning, per step"),
        Setting("rounds", "int | none", None, "how many times"),
        Setting("mode", "str", "fast", "which"),
        Setting("silent", "bool", False, ""),
    ]


@pytest.mark.parametrize("name", [*MODELS, *METHODS])
def test_every_field_of_what_is_built_in_has_a_meaning(name):
    owner = MODELS.get(name) if name in MODELS else METHODS.get(name)
    type_ = owner.settings if name in METHODS else owner.config
    assert [one.name for one in settings_of(type_) if not one.meaning] == []
    assert not isinstance(owner, Architecture) or settings_of(type_)


def test_a_later_field_is_told_only_where_it_is_not_at_its_default():
    @dataclass(frozen=True)
    class Config:
        hidden: int = 3
        head: str = field(default="own", metadata=LATER)

    assert told(Config, {"hidden": 3, "head": "own"}) == {"hidden": 3}
    assert told(Config, {"hidden": 3, "head": "packed"}) == {"hidden": 3, "head": "packed"}


@dataclass(frozen=True)
class Blanks:
    """Fields that differ in what "none" is to them."""

    weight: Literal["none", "balanced"] = "none"
    either: Literal["none", "balanced"] | None = None
    limit: int | None = None
    mode: Literal["fast", "slow"] | None = "fast"
    label: str | None = None
    name: str = ""


@pytest.mark.parametrize(
    ("field_", "of_text", "of_value"),
    [
        ("weight", "none", "none"),
        ("either", "none", "none"),
        ("limit", None, None),
        ("mode", None, None),
        ("label", None, "none"),
        ("name", "none", "none"),
    ],
)
def test_none_is_no_value_only_where_it_is_not_one_of_the_values(field_, of_text, of_value):
    assert from_text(Blanks, field_, "none", called=field_) == of_text
    assert checked(Blanks, field_, "none", called=field_) == of_value


def test_none_is_refused_by_a_number():
    with pytest.raises(UsageError, match="rate=none: expected a number"):
        from_text(Base, "rate", "none", called="rate")
    with pytest.raises(UsageError, match="unknown setting 'rte'; did you mean 'rate'"):
        from_text(Base, "rte", "none", called="rte")


def test_a_setting_whose_values_have_none_among_them_can_be_set_to_it():
    assert parse_assignment("random-forest.class_weight=none").value == "none"
    assert parse_assignment("random-forest.class_weight=balanced").value == "balanced"
