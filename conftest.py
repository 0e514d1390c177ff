"""Doctests of adapters to packages that are not installed are left out: they cannot be imported."""

from __future__ import annotations

from importlib.util import find_spec

ADAPTERS = {"huggingface": "transformers", "lightning": "lightning", "skorch": "skorch"}
collect_ignore = [f"pbgraph/dendrites/{name}.py" for name, package in ADAPTERS.items() if find_spec(package) is None]
