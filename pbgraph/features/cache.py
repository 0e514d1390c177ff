"""Results that cost seconds, kept in files: features, accepted rows, scaffolds.

    <cache>/<name>-<key>.cache      SHA-256 of the rest, a newline, the content

The key covers everything the content depends on; the checksum also covers the key. A file that is truncated, edited
or of another key is made again. Processes that want the same file at once wait for the first one to make it; a file
takes its name whole, so where they cannot wait they do no harm.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pbgraph.features.base import Featuriser, Store
from pbgraph.features.smiles import READING, rdkit_version, silence
from pbgraph.files import replaced_file
from pbgraph.locks import cache_folder, locked
from pbgraph.records import Scalar, canonical_json, sha256

log = logging.getLogger(__name__)

FORMAT = 1  # of the files; raise it when their layout changes


class Compounds(Protocol):
    """What featurising needs to know of `datasets.base.Molecules`."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        ...

    @property
    def smiles(self) -> tuple[str, ...]:
        """n structures."""
        ...

    @property
    def y(self) -> np.ndarray:
        """(n, T) float32, NaN = not measured."""
        ...


def featurised(featuriser: Featuriser, molecules: Compounds, *, code: str = "") -> Any:
    """The store of all molecules, from the cache or made now and kept there.

    code  hash of the featuriser's code, where its version alone does not tell two of them apart
    """

    def make() -> bytes:
        with silence():
            return packed(featuriser.featurise(molecules.smiles, molecules.y))

    key = {"version": featuriser.version, **structures_key(molecules.smiles)}
    content = cached(f"{molecules.dataset}-{featuriser.name}", {**key, "code": code} if code else key, make)
    return unpacked(content, featuriser, molecules.y)


def packed(store: Store) -> bytes:
    """All of a store but its labels, as one safetensors file."""
    import safetensors.numpy

    # which writes an array as it lies in memory: one with gaps, or with columns first, would come back scrambled
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in store.arrays().items()})


def unpacked(content: bytes, featuriser: Featuriser, y: np.ndarray) -> Any:
    """The store that was packed, with labels y."""
    import safetensors.numpy

    return featuriser.from_arrays(safetensors.numpy.load(content), y)


def structures_key(smiles: Sequence[str]) -> dict[str, Scalar]:
    """The part of a cache's key that says which structures went in, in which order, and how and by which RDKit they
    were read.

    The SMILES themselves are hashed: that covers the file, its column of structures and the accepted rows.
    """
    return {"smiles": sha256(canonical_json(smiles)), "rdkit": rdkit_version(), "reading": READING}


def cached(name: str, key: Mapping[str, Scalar], make: Callable[[], bytes]) -> bytes:
    """The content that `make` gives for `key`, read from the cache if it is there.

    name  what it is, e.g. "tox21-graph"; part of the key and of the file name
    A cache that cannot be read or written costs a warning, not the result.
    """
    identity = canonical_json({**key, "name": name, "format": FORMAT})
    path = cache_folder() / f"{name}-{sha256(identity)[:16]}.cache"
    content = _read(path, identity)
    if content is None:
        with locked(path.stem) as waited:
            content = _read(path, identity) if waited else None  # for the one that has made it now
            if content is None:
                content = make()
                _write(path, identity, content)
    return content


def _read(path: Path, identity: bytes) -> bytes | None:
    try:
        with open(path, "rb") as file:
            checksum, content = file.readline(), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("cache file %s cannot be read (%s); working without it", path, error.strerror)
        return None
    if checksum != _checksum(identity, content):
        log.warning("cache file %s is damaged or not its own; making it again", path)
        return None
    return content


def _write(path: Path, identity: bytes, content: bytes) -> None:
    try:
        with replaced_file(path) as part, open(part, "wb") as file:
            file.writelines([_checksum(identity, content), content])
    except OSError as error:
        log.warning(
            "cache folder %s cannot be written (%s), so the next start is slower; set PBGRAPH_CACHE to another folder",
            path.parent,
            error.strerror,
        )


def _checksum(identity: bytes, content: bytes) -> bytes:
    """The first line of a file; content may be large, so it is not copied."""
    digest = hashlib.sha256(identity)
    digest.update(content)
    return digest.hexdigest().encode() + b"\n"
