"""Results that cost seconds, kept in files: features, accepted rows, scaffolds.

    <cache>/<name>-<key>.cache      SHA-256 of the rest, a newline, the content

The key covers everything the content depends on; the checksum also covers the key. A file that is truncated, edited
or of another key is made again. Processes that want the same file at once wait for the first one to make it; a file
takes its name whole, so where they cannot wait they do no harm.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pbgraph.files.hashing import Scalar, canonical_json, sha256
from pbgraph.files.locks import cache_folder, locked
from pbgraph.files.writing import replaced_file

log = logging.getLogger(__name__)

FORMAT_VERSION = 1  # of the files; raise it when their layout changes


def cached(name: str, key: Mapping[str, Scalar], make: Callable[[], bytes]) -> bytes:
    """The content that `make` gives for `key`, read from the cache if it is there.

    name  what it is, e.g. "tox21-graph"; part of the key and of the file name
    A cache that cannot be read or written costs a warning, not the result.
    """
    identity, path = _identity(name, key), cached_file(name, key)
    content = _read(path, identity)
    if content is None:
        with locked(path.stem) as waited:
            content = _read(path, identity) if waited else None  # for the one that has made it now
            if content is None:
                content = make()
                _write(path, identity, content)
    return content


def cached_file(name: str, key: Mapping[str, Scalar]) -> Path:
    """Where `cached` keeps it."""
    return cache_folder() / f"{name}-{sha256(_identity(name, key))[:16]}.cache"


def kept(name: str, key: Mapping[str, Scalar]) -> bytes | None:
    """The content that `keep` was given last for `key`; None if there is none, or it cannot be read."""
    return _read(cached_file(name, key), _identity(name, key))


def keep(name: str, key: Mapping[str, Scalar], content: bytes) -> None:
    """Keep a content in the place of what is kept for `key`: for what its maker finds out to be out of date."""
    _write(cached_file(name, key), _identity(name, key), content)


def _identity(name: str, key: Mapping[str, Scalar]) -> bytes:
    return canonical_json({**key, "name": name, "format": FORMAT_VERSION})


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
