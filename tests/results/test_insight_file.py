"""Insights as bytes: what is written is read, in little room, and nothing that is damaged or hostile is."""

from __future__ import annotations

import math
import random
import re
import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_records import make_insight
from pbgraph.files.hashing import canonical_json
from pbgraph.files.reading import UnreadableError
from pbgraph.insight import DendriteInsight, Insight, SiteInsight
from pbgraph.results import insight_file
from pbgraph.results.insight_file import FIGURES, insight_bytes, insight_in

FLOATS = st.lists(st.floats(-1e30, 1e30), max_size=4).map(tuple)
DENDRITES = st.builds(
    DendriteInsight,
    number=st.integers(1, 9),
    outcome=st.sampled_from(["kept", "dropped", "failed"]),
    epoch=st.none() | st.integers(1, 999),
    **dict.fromkeys(FIGURES, FLOATS),
)
SITES = st.builds(SiteInsight, st.integers(1, 99), st.integers(0, 10**9), st.lists(DENDRITES, max_size=3).map(tuple))
INSIGHTS = st.dictionaries(st.text(max_size=5), SITES, max_size=3).map(Insight)


def figures_of(insight: Insight) -> list[float]:
    every = [one for _, site in sorted(insight.sites.items()) for one in site.dendrites]
    return [value for one in every for name in FIGURES for value in getattr(one, name)]


def without_figures(insight: Insight) -> object:
    return {
        name: (site.neurons, site.rows, [(one.number, one.outcome, one.epoch) for one in site.dendrites])
        for name, site in insight.sites.items()
    }


@given(INSIGHTS)
def test_what_is_written_is_read(insight):
    content = insight_bytes(insight)
    found = insight_in(content)
    assert without_figures(found) == without_figures(insight)
    assert figures_of(found) == pytest.approx(figures_of(insight), rel=0.0045, abs=1e-38)
    assert insight_bytes(found) == content


@given(st.floats(width=32))
def test_a_figure_is_the_nearest_upper_half_of_a_float32(value):
    """By an independent definition: struct's own conversion, and of the two halves around it the nearer one."""
    read = insight_in(insight_bytes(of_figures(value))).sites["a"].dendrites[0].w[0]
    if not math.isfinite(value):
        assert str(read) == str(value)
        return
    (whole,) = struct.unpack(">I", struct.pack(">f", value))
    below, above = (struct.unpack(">f", struct.pack(">I", bits))[0] for bits in (whole & ~0xFFFF, (whole | 0xFFFF) + 1))
    nearest = min((below, above), key=lambda half: abs(half - value)) if math.isfinite(above) else None
    if nearest is not None and abs(below - value) != abs(above - value):
        assert read == float(f"{nearest:.4g}")


def of_figures(*values: float) -> Insight:
    return Insight({"a": SiteInsight(len(values), 10, (DendriteInsight(number=1, w=values),))})


@pytest.mark.parametrize("value", [0.0, 0.5, -0.125, 1e-30, math.inf, -math.inf])
def test_what_has_few_bits_is_kept_exactly(value):
    assert insight_in(insight_bytes(of_figures(value))).sites["a"].dendrites[0].w == pytest.approx((value,), rel=3e-3)


def test_what_is_no_number_or_too_large_is_still_read():
    (first, second) = insight_in(insight_bytes(of_figures(math.nan, 1e300))).sites["a"].dendrites[0].w
    assert math.isnan(first)
    assert second == math.inf


def test_the_order_of_sites_does_not_matter():
    sites = make_insight().sites
    assert insight_bytes(Insight(dict(reversed(sites.items())))) == insight_bytes(Insight(sites))


def wide(neurons: int) -> Insight:
    """As a run leaves it: shares over several orders of magnitude, correlations within one."""
    draw = random.Random(5)
    dendrites = [
        DendriteInsight(
            number=number,
            epoch=40 * number,
            correlation=tuple(abs(draw.gauss(0.02, 0.01)) for _ in range(neurons)),
            w=tuple(draw.gauss(0.0, 0.05) for _ in range(neurons)),
            variance_share=tuple(draw.lognormvariate(-8.0, 1.5) for _ in range(neurons)),
            covariance_share=tuple(draw.gauss(0.0, 0.01) for _ in range(neurons)),
        )
        for number in (1, 2)
    ]
    return Insight({f"blocks.{n}.conv": SiteInsight(neurons, 10**4, tuple(dendrites)) for n in range(4)})


def test_it_takes_less_than_a_fifth_of_json_with_three_digits():
    content = insight_bytes(wide(64))
    digits = re.sub(rb"[0-9]+\.[0-9]+(e-[0-9]+)?", _three, canonical_json(wide(64)))
    assert len(content) < 2 * len(figures_of(wide(64)))
    assert len(content) < len(digits) / 5


def _three(figure: re.Match[bytes]) -> bytes:
    return b"%.3g" % float(figure[0])


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


def line(**figures: object) -> bytes:
    dendrite = {"number": 1, "outcome": "kept", "epoch": None, "figures": figures}
    return canonical_json({"a": {"neurons": 1, "rows": 1, "dendrites": [dendrite]}}) + b"\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (insight_bytes(make_insight())[:-9], "[Tt]runcated"),
        (insight_bytes(make_insight())[:4], "."),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "."),
        (zstd(b"{}"), "it has no figures"),
        (zstd(b"[]\n"), "Expected `object`"),
        (zstd(b"{}\nab"), "it has 2 bytes of figures, expected 0"),
        (zstd(line(w=2) + b"abc"), "it has 3 bytes of figures, expected 4"),
        (zstd(line(w=10**18)), "it has 0 bytes of figures, expected 2,000,000,000,000,000,000"),
        (zstd(line(w=-1, correlation=1)), ">= 0"),
        (zstd(line(w=1.5)), "Expected `int`"),
        (zstd(line(number=1) + b"ab"), "figures of .'number'., expected correlation"),
        (zstd(b"[" * 10**5 + b"\n"), "."),
        (b"\x80\x05}", "."),
    ],
    ids=range(14),
)
def test_what_is_damaged_or_hostile_is_told_in_a_line(content, words):
    with pytest.raises(UnreadableError, match=words) as said:
        insight_in(content)
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 400


def test_what_unpacks_to_more_than_is_read_is_refused(monkeypatch):
    monkeypatch.setattr(insight_file, "LARGEST", 2**20)
    bomb = zstd(b"\0" * 2**24)
    assert len(bomb) < 2**12
    with pytest.raises(UnreadableError, match="it unpacks to more than 1 MiB, the most that is read"):
        insight_in(bomb)
