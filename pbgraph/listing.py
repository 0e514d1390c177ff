"""What is registered: names with version, source and, of third parties, the package."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from pbgraph.errors import PbgraphError
from pbgraph.registry import Registry

log = logging.getLogger(__name__)

KINDS = {
    "tasks": "pbgraph.datasets.base:DATASETS",
    "models": "pbgraph.models.base:MODELS",
    "methods": "pbgraph.methods.base:METHODS",
    "splits": "pbgraph.splits:SPLITS",
    "metrics": "pbgraph.metrics:METRICS",
}


def ls(args: argparse.Namespace) -> int:
    """List registered names with version and source; one that cannot be imported is shown with the reason."""
    kinds = [args.kind] if args.kind else list(KINDS)
    listed = {kind: _entries(resolve_name(KINDS[kind])) for kind in kinds}
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    for kind, entries in listed.items():
        print(kind)
        for entry in entries:
            version = "" if entry["version"] is None else f"v{entry['version']}"
            others = [package for package in entry["packages"] if package != "pbgraph"]
            owner = f"  [package {' and '.join(others)}]" if others else ""
            print(f"  {entry['name']:<20} {version:<4} {entry['source']}{owner}")
    _warn_of_slow_operations()
    return 0


def _warn_of_slow_operations() -> None:
    from pbgraph.ops.kernels import slow_because

    reason = slow_because()
    if reason is not None:
        log.warning("operations run slowly, in plain PyTorch: %s", reason)


def _entries(registry: Registry[Any]) -> list[dict[str, Any]]:
    """What `ls` shows of every name, and of every namespace."""
    names = [(name, registry.get) for name in registry] + [(name, registry.namespace) for name in registry.namespaces()]
    return [_entry(name, get) | {"packages": registry.packages(name)} for name, get in names]


def _entry(name: str, get: Callable[[str], Any]) -> dict[str, Any]:
    try:
        value = get(name)
    except PbgraphError as error:
        return {"name": name, "version": None, "source": f"broken: {error}"}
    return {"name": name, "version": value.version, "source": value.source}
