"""Features put together by name, "graph+descriptors+neighbours": graphs, with what is known of whole molecules beside.

The first part makes graphs; the others columns of whole molecules, in the order of their names, and "neighbours" the
fingerprints by which the fit finds similar training molecules. Nothing is scaled here: that takes training rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS, JOINED, TRIAL, Featuriser
from pbgraph.features.similarity import FingerprintStore
from pbgraph.features.vectors import VectorStore
from pbgraph.graph import GraphStore

MOST_VERSIONS = 1000  # of one part


def compose(name: str) -> Featuriser:
    """The featuriser of a joined name. Raises UsageError for unknown parts, and for one that is named twice."""
    names = name.split(JOINED)
    parts = [FEATURISERS.get(one) for one in names]
    if len(set(names)) < len(names):
        raise UsageError(f"features {name!r} have a part twice; name each once")
    version = 0
    for part in parts:
        version = version * MOST_VERSIONS + part.version
    return Featuriser(
        name=name,
        version=version,
        featurise=partial(_featurise, name, parts),
        from_arrays=GraphStore.from_arrays,
        source="; ".join(part.source for part in parts),
        parts=tuple(parts),
        files={file: path for part in parts for file, path in part.files.items()},
        pretrained_on=partial(_pretrained_on, parts) if any(part.pretrained_on for part in parts) else None,
        blank=partial(_blank, name, parts) if any(part.blank for part in parts) else None,
    )


def _pretrained_on(parts: Sequence[Featuriser]) -> str:
    return "; ".join(part.pretrained_on() for part in parts if part.pretrained_on)


def _blank(name: str, parts: Sequence[Featuriser], y: np.ndarray) -> GraphStore:
    return joined(name, [part.blank(y) if part.blank else part.featurise([TRIAL] * len(y), y) for part in parts])


def _featurise(name: str, parts: Sequence[Featuriser], smiles: Sequence[str], y: np.ndarray) -> GraphStore:
    return joined(name, [part.featurise(smiles, y) for part in parts])


def joined(name: str, stores: Sequence[Any]) -> GraphStore:
    """The stores of the parts as one of graphs. Raises UsageError if the parts do not go together."""
    first, *others = stores
    if not isinstance(first, GraphStore):
        raise UsageError(
            f"features {name!r} begin with {name.split(JOINED)[0]!r}, which makes no graphs; begin with graph"
        )
    columns = [] if first.graph_attr is None else [first.graph_attr.numpy()]
    fingerprints = first.fingerprints
    for part, store in zip(name.split(JOINED)[1:], others, strict=True):
        if isinstance(store, VectorStore):
            columns.append(store.x)
        elif isinstance(store, FingerprintStore):
            fingerprints = store.fingerprints
        else:
            raise UsageError(f"features {name!r}: {part!r} makes no columns of whole molecules; leave it out")
    whole = np.concatenate(columns, axis=1, dtype=np.float32) if columns else None
    return first.with_whole(whole, fingerprints)
