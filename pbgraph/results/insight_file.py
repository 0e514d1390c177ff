"""The file of an insight: a line of JSON and the figures after it, 16 bits each, compressed by zstd.

The line says all but the figures, and in the place of each list of them how many there are. They follow field by field
in the order of `FIGURES`, each over all sites by name and their dendrites in order: the high bytes, then the low ones,
which compress better apart. A figure is the upper half of a float32, rounded to the nearest, ties to even: sign, eight
bits of exponent, and eight significant bits, so that it is kept to 0.4 %, as three decimal digits keep it to 0.5 %.

Earlier files are JSON with six digits, or three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np

from pbgraph.files.hashing import canonical_json
from pbgraph.files.reading import MEBIBYTE, UnreadableError, decoded
from pbgraph.insight import DendriteInsight, Insight, SiteInsight

LARGEST = 64 * MEBIBYTE  # of a file, and of what one is when it is not compressed
LEVEL = 19  # of zstd: it takes milliseconds
FIGURES = (
    *("correlation", "w", "variance_share", "covariance_share"),
    *("mean_correlation", "max_correlation"),
)
DIGITS = 4  # that tell every figure of eight bits from the next
NAN = 0x7FC0
ZSTD = b"\x28\xb5\x2f\xfd"  # what its frames begin with

Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class _Dendrite:
    """A dendrite, with the number of its figures of each field."""

    number: int
    outcome: Literal["kept", "dropped", "failed"]
    epoch: int | None
    figures: Mapping[str, Count]


@dataclass(frozen=True, kw_only=True)
class _Site:
    neurons: int
    rows: int
    dendrites: tuple[_Dendrite, ...]


def insight_bytes(insight: Insight) -> bytes:
    """The content of its file, which is the same for the same insight."""
    import pyarrow as pa

    sites = dict(sorted(insight.sites.items()))
    line = canonical_json({name: _counted(site) for name, site in sites.items()})
    every = [dendrite for site in sites.values() for dendrite in site.dendrites]
    fields = (np.array([x for one in every for x in getattr(one, name)], np.float64) for name in FIGURES)
    content = b"".join([line, b"\n", *map(_planes, fields)])
    compressed: bytes = pa.Codec("zstd", compression_level=LEVEL).compress(content, asbytes=True)
    return compressed


def insight_in(content: bytes) -> Insight:
    """What the content of a file says, of today's form or an earlier one. Raises UnreadableError if it is neither."""
    if not content.startswith(ZSTD):
        return decoded(content, Insight)
    line, newline, figures = _decompressed(content).partition(b"\n")
    if not newline:
        raise UnreadableError("it has no figures")
    sites = decoded(line, dict[str, _Site])
    every = [dendrite for site in sites.values() for dendrite in site.dendrites]
    if unknown := {name for one in every for name in one.figures} - {*FIGURES}:
        raise UnreadableError(f"it has figures of {sorted(unknown)!s:.100}, expected {', '.join(FIGURES)}")
    sizes = {name: sum(one.figures.get(name, 0) for one in every) for name in FIGURES}
    if 2 * sum(sizes.values()) != len(figures):
        raise UnreadableError(f"it has {len(figures):,} bytes of figures, expected {2 * sum(sizes.values()):,}")
    columns, start = {}, 0
    for name, size in sizes.items():
        columns[name] = iter(_values(figures[start : start + 2 * size]))
        start += 2 * size
    return Insight({name: _filled(site, columns) for name, site in sites.items()})


def _counted(site: SiteInsight) -> _Site:
    dendrites = tuple(
        _Dendrite(
            number=one.number,
            outcome=one.outcome,
            epoch=one.epoch,
            figures={name: count for name in FIGURES if (count := len(getattr(one, name)))},
        )
        for one in site.dendrites
    )
    return _Site(neurons=site.neurons, rows=site.rows, dendrites=dendrites)


def _filled(site: _Site, columns: Mapping[str, Iterator[float]]) -> SiteInsight:
    dendrites = tuple(
        DendriteInsight(
            number=one.number,
            outcome=one.outcome,
            epoch=one.epoch,
            **{name: tuple(next(columns[name]) for _ in range(count)) for name, count in one.figures.items()},
        )
        for one in site.dendrites
    )
    return SiteInsight(site.neurons, site.rows, dendrites)


def _planes(values: np.ndarray) -> bytes:
    """Numbers (n,) as 2 n bytes: the n high ones, then the n low ones."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    halves = np.where(np.isnan(values), NAN, (whole + 0x7FFF + ((whole >> 16) & 1)) >> 16)
    return (halves >> 8).astype(np.uint8).tobytes() + (halves & 0xFF).astype(np.uint8).tobytes()


def _values(planes: bytes) -> list[float]:
    """The numbers, with the `DIGITS` that tell them apart."""
    high, low = np.frombuffer(planes, np.uint8).reshape(2, -1).astype(np.uint32)
    return [float(f"{value:.{DIGITS}g}") for value in ((high << 24) | (low << 16)).view(np.float32).tolist()]


def _decompressed(content: bytes) -> bytes:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            whole: bytes = stream.read(LARGEST + 1)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(f"{error!s:.300}") from error
    if len(whole) > LARGEST:
        raise UnreadableError(f"it unpacks to more than {LARGEST / MEBIBYTE:,.0f} MiB, the most that is read")
    return whole
