"""The featurised molecules of a data set, from the cache or made now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pbgraph.features.base import OWN, Featuriser, Store
from pbgraph.features.composed import joined, own_columns
from pbgraph.files.cache import cached, cached_file
from pbgraph.files.hashing import Scalar
from pbgraph.molecules import Molecules
from pbgraph.structures.smiles import silence, structures_key


def featurised(featuriser: Featuriser, molecules: Molecules, *, code: Callable[[str], str] = lambda _: "") -> Any:
    """The store of all molecules, from the cache or made now and kept there.

    code  name of a featuriser -> hash of its code, where its version alone does not tell two of them apart; or ""
    Of features that are put together, each part is kept by itself; columns of a user's table are read anew.
    """
    if featuriser.parts:
        return joined(featuriser.name, [featurised(part, molecules, code=code) for part in featuriser.parts])
    if featuriser.name == OWN:
        return own_columns(molecules.columns, molecules.y)

    def make() -> bytes:
        with silence():
            return packed(featuriser.featurise(molecules.smiles, molecules.y))

    content = cached(*_cached_as(featuriser, molecules, code), make)
    return unpacked(content, featuriser, molecules.y)


def stored_files(
    featuriser: Featuriser, molecules: Molecules, *, code: Callable[[str], str] = lambda _: ""
) -> list[Path]:
    """The files of the cache that `featurised` reads, there or not; columns of a table are not kept."""
    if featuriser.parts:
        return [path for part in featuriser.parts for path in stored_files(part, molecules, code=code)]
    if featuriser.name == OWN:
        return []
    return [cached_file(*_cached_as(featuriser, molecules, code))]


def _cached_as(
    featuriser: Featuriser, molecules: Molecules, code: Callable[[str], str]
) -> tuple[str, dict[str, Scalar]]:
    """Name and key of the features of one featuriser in the cache."""
    name, namespaced, _ = featuriser.name.partition(":")  # what follows may be a path, which is no part of a file name
    key: dict[str, Scalar] = {
        "version": featuriser.version,
        **structures_key(molecules.smiles),
        **featuriser.file_versions(),
    }
    if featuriser.mended:
        key["mended"] = featuriser.mended
    if namespaced:
        key["name in full"] = featuriser.name
    if its_code := code(featuriser.name):
        key["code"] = its_code
    return f"{molecules.dataset}-{name}", key


def packed(store: Store) -> bytes:
    """All of a store but its labels, as one safetensors file."""
    import safetensors.numpy

    # which writes an array as it lies in memory: one with gaps, or with columns first, would come back scrambled
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in store.arrays().items()})


def unpacked(content: bytes, featuriser: Featuriser, y: np.ndarray) -> Any:
    """The store that was packed, with labels y."""
    import safetensors.numpy

    return featuriser.from_arrays(safetensors.numpy.load(content), y)
