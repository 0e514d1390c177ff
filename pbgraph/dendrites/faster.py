"""Faster forms of what is computed here, which `pbgraph.ops` has: done without where it is not there."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def faster(module: str) -> Any:
    """The module of this name, imported when it is first asked for, or None."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        return None
