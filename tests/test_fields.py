from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pbgraph.fields import LATER, Setting, settings_of, told
from pbgraph.methods.base import METHODS
from pbgraph.models.base import MODELS, Architecture


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
