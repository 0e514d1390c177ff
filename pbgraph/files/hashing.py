"""One way to write a value as JSON, and its SHA-256: what keys, digests and caches are made of."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

Scalar = str | int | float | bool | None


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space; floats round-trip."""
    return msgspec.json.encode(value, order="sorted")


def sha256(content: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()
