"""What the checks of several kinds share."""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from pbgraph.dendrites.testing.base import Check, CheckFailed, checks_of, require
from pbgraph.errors import PbgraphError
from pbgraph.fields import field_names
from pbgraph.files.hashing import Scalar
from pbgraph.spaces import Space, check_space

__all__ = [
    "Check",
    "CheckFailed",
    "checks_of",
    "draw_at_random",
    "require",
    "require_described",
    "require_plain_fields",
    "require_space",
]


def require_described(value: Any) -> None:
    """Raises CheckFailed unless a registered value has a name, a version from 1 on, and a source."""
    require(isinstance(value.name, str) and bool(value.name.strip()), f"name is {value.name!r}; expected a word")
    right = isinstance(value.version, int) and value.version >= 1
    require(right, f"version is {value.version!r}; expected 1, and one more whenever results would change")
    require(bool(value.source.strip()), "source is blank; expected the paper or code that defines it")


def require_plain_fields(what: str, settings: Any) -> None:
    """Raises CheckFailed unless `settings` is a dataclass whose defaults JSON can hold; what: how messages call it."""
    right = isinstance(settings, type) and is_dataclass(settings)
    require(right, f"{what} is {settings!r}, expected a frozen dataclass")
    defaults = settings()
    wrong = [field.name for field in fields(defaults) if not isinstance(getattr(defaults, field.name), Scalar)]
    require(not wrong, f"{what} {', '.join(wrong)} are none of str, int, float, bool and None")


def require_space(space: Space, *types: Any) -> None:
    """Raises CheckFailed unless every point of a space that is at the ends of its ranges makes valid values.

    types  dataclasses that share the fields of the space
    """
    try:
        check_space(space, *types, owner="this one")
        for end, type_ in product((0, -1), types):
            mine = field_names(type_)
            type_(**{name: range_.corners[end] for name, range_ in space.items() if name in mine})
    except PbgraphError as error:
        raise CheckFailed(str(error)) from error


def draw_at_random() -> None:
    """Moves the global generators of Python, NumPy and torch on, which nothing registered must go by."""
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.rand(1)
