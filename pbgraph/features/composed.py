"""Features put together by name, "graph+descriptors+neighbours": graphs, with what is known of whole molecules beside.

The first part makes graphs or vectors; the others columns of whole molecules, in the order of their names, and
"neighbours" the fingerprints by which the fit finds similar training molecules. "columns" are those of a user's table
(`train --graph-columns`), which come with the molecules. Nothing is scaled here: that takes training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS, JOINED, OWN, Featuriser
from pbgraph.features.similarity import FingerprintStore
from pbgraph.features.vectors import VectorStore
from pbgraph.graph import GraphStore

MOST_VERSIONS = 1000  # of one part


TRIAL = "CCO"  # a molecule that every featuriser knows which has no `blank`


def compose(name: str) -> Featuriser:
    """The featuriser of a joined name. Raises UsageError for unknown parts, and for one that is named twice."""
    names = name.split(JOINED)
    parts = [FEATURISERS.get(part) for part in names]
    if len(set(names)) < len(names):
        raise UsageError(f"features {name!r} have a part twice; name each once")
    version = 0
    for part in parts:
        version = version * MOST_VERSIONS + part.version
    return Featuriser(
        name=name,
        version=version,
        featurise=partial(_featurise, name, parts),
        from_arrays=_from_arrays,
        source="; ".join(part.source for part in parts),
        parts=tuple(parts),
        files={file: path for part in parts for file, path in part.files.items()},
        pretrained_on=partial(_pretrained_on, parts) if any(part.pretrained_on for part in parts) else None,
    )


def _pretrained_on(parts: Sequence[Featuriser]) -> str:
    return "; ".join(part.pretrained_on() for part in parts if part.pretrained_on)


def _featurise(name: str, parts: Sequence[Featuriser], smiles: Sequence[str], y: np.ndarray) -> Any:
    return joined(name, [part.featurise(smiles, y) for part in parts])


def _from_arrays(arrays: Mapping[str, np.ndarray], y: np.ndarray) -> Any:
    return (GraphStore if "node_ptr" in arrays else VectorStore).from_arrays(arrays, y)


def reads_columns(featuriser: Featuriser) -> bool:
    """Whether it takes numbers of a user's table beside the structures."""
    return featuriser.name == OWN or any(part.name == OWN for part in featuriser.parts)


def own_columns(columns: np.ndarray | None, y: np.ndarray) -> VectorStore:
    """The store of numbers (n, D) that molecules have beside their structures, what is not finite undefined.

    Raises UsageError if they have none.
    """
    if columns is None:
        raise UsageError(
            f"features {OWN!r} are numbers of a table of your own, and these molecules have none; name them with "
            "'train TABLE --graph-columns COL ...'"
        )
    numbers = np.asarray(columns, dtype=np.float32)
    return VectorStore(np.where(np.isfinite(numbers), numbers, np.float32(np.nan)), y.astype(np.float32), 0)


def featurise_to_predict(
    featuriser: Featuriser, smiles: Sequence[str], y: np.ndarray, columns: np.ndarray | None = None
) -> Any:
    """The store of n molecules that are to be predicted: without what only a fit reads.

    columns  (n, D) of their own, where the featuriser takes some; errors as above
    """
    if featuriser.parts:
        return joined(featuriser.name, [featurise_to_predict(part, smiles, y, columns) for part in featuriser.parts])
    if featuriser.name == OWN:
        return own_columns(columns, y)
    return (featuriser.to_predict or featuriser.featurise)(smiles, y)


def trial(featuriser: Featuriser, tasks: int, columns: int = 0) -> Any:
    """A store of one molecule, to see what a model makes of it: blank labels, and blank columns of a user's table."""
    return _trial(featuriser, np.full((1, tasks), np.nan, dtype=np.float32), np.full((1, columns), np.nan))


def _trial(featuriser: Featuriser, y: np.ndarray, columns: np.ndarray) -> Any:
    if featuriser.parts:
        return joined(featuriser.name, [_trial(part, y, columns) for part in featuriser.parts])
    if featuriser.blank is not None:
        return featuriser.blank(y)
    return featurise_to_predict(featuriser, [TRIAL], y, columns)


def joined(name: str, stores: Sequence[Any]) -> Any:
    """The stores of the parts as one: of graphs, or where the first part is of vectors, of vectors.

    Raises UsageError if the parts do not go together.
    """
    first, *others = stores
    names = name.split(JOINED)
    if isinstance(first, VectorStore):
        return _joined_vectors(name, stores)
    if not isinstance(first, GraphStore):
        raise UsageError(f"features {name!r} begin with {names[0]!r}, which makes no graphs; begin with graph")
    columns = [] if first.graph_attr is None else [first.graph_attr.numpy()]
    fingerprints = first.fingerprints
    for part, store in zip(names[1:], others, strict=True):
        if isinstance(store, VectorStore):
            columns.append(store.x)
        elif isinstance(store, FingerprintStore):
            fingerprints = store.fingerprints
        else:
            raise UsageError(f"features {name!r}: {part!r} makes no columns of whole molecules; leave it out")
    whole = np.concatenate(columns, axis=1, dtype=np.float32) if columns else None
    return first.with_whole(whole, fingerprints)


def _joined_vectors(name: str, parts: Sequence[Any]) -> VectorStore:
    """Bits of all parts, then their other numbers; and fingerprints, if one is of these."""
    names = name.split(JOINED)
    fingerprints = next((part.fingerprints for part in parts if isinstance(part, FingerprintStore)), None)
    for part, store in zip(names, parts, strict=True):
        if not isinstance(store, VectorStore | FingerprintStore):
            raise UsageError(
                f"features {name!r}: {part!r} cannot stand beside {names[0]!r}, which makes no graphs; begin with graph"
            )
    stores = [part for part in parts if isinstance(part, VectorStore)]
    places = [store.x.shape[1] if store.bits is None else store.bits for store in stores]
    split = [np.split(store.x, [place], axis=1) for store, place in zip(stores, places, strict=True)]
    if not sum(numbers.shape[1] for _, numbers in split):
        return VectorStore(np.concatenate([bits for bits, _ in split], axis=1), stores[0].y, fingerprints=fingerprints)
    x = np.concatenate([*(bits for bits, _ in split), *(numbers for _, numbers in split)], axis=1, dtype=np.float32)
    return VectorStore(x, stores[0].y, sum(places), fingerprints)


OWN_COLUMNS = Featuriser(
    name=OWN,
    version=1,
    featurise=lambda smiles, y: own_columns(None, y),
    from_arrays=VectorStore.from_arrays,
    source="columns of the user's own table",
)
