"""Headroom, shown: from made results, without a network."""

from __future__ import annotations

import json

import pytest

from made_records import make_spec
from pbgraph.errors import UsageError
from pbgraph.headroom import Explained, Headroom, SiteHeadroom
from pbgraph.report.headroom import draw_headroom, to_json, to_markdown

SPEC = make_spec("trimnet/backprop", 68)
NOISE = Explained(0.3, -0.002, (-0.01, 0.004), 0.41, (0.01, -0.03))
SIGNAL = Explained(0.25, 0.17, (-0.09, -0.05), 0.001, (0.5, 0.3))
FOUND = Headroom(
    {"conv": SiteHeadroom(2, 90, None, NOISE), "set2set": SiteHeadroom(2, 30, NOISE, SIGNAL)}, folds=4, batches=12
)
NOTHING = Headroom({"conv": FOUND.sites["conv"]}, folds=4, batches=12)


def test_the_table_has_a_line_for_every_learner_of_every_site():
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in to_markdown(SPEC, FOUND).split("\n")]
    assert [line for line in lines if line and line[0] in FOUND.sites] == [
        ["conv", "2", "90", "module", "0.3000", "-0.0020", "-0.0100 to 0.0040", "0.410", "-0.010", "0.010", "no"],
        ["set2set", "2", "30", "ridge", "0.3000", "-0.0020", "-0.0100 to 0.0040", "0.410", "-0.010", "0.010", "yes"],
        ["set2set", "2", "30", "module", "0.2500", "0.1700", "-0.0900 to -0.0500", "0.001", "0.400", "0.500", "yes"],
    ]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (FOUND, "rows that it was not fitted on: set2set 0.170; the other 1 has none. A dendrite can learn"),
        (NOTHING, "(at most -0.002 of their variance), so dendrites are not expected to help."),
    ],
)
def test_a_sentence_says_what_it_comes_to(found, words):
    assert words in found.sentence
    assert to_markdown(SPEC, found).endswith(f"\n{found.sentence}\n")
    assert json.loads(to_json(SPEC, found))["sentence"] == found.sentence


def test_a_threshold_leaves_out_sites_with_less():
    assert FOUND.above_chance(0.1) == ["set2set"]
    assert FOUND.above_chance(0.17) == []
    assert FOUND.share == 0.17


def test_many_tests_ask_for_smaller_p_values():
    """0.05 over twenty learners is 0.0025 for each."""
    own = SiteHeadroom(1, 9, None, Explained(0.2, 0.1, (-0.1, 0.05), 0.004, (0.3,)))
    assert Headroom({"a": own}, 3, 3).above_chance() == ["a"]
    assert Headroom({str(number): own for number in range(20)}, 3, 3).above_chance() == []


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("found", [FOUND, NOTHING], ids=["some", "none"])
def test_a_picture_is_drawn_whole(tmp_path, found, suffix):
    path = tmp_path / f"headroom{suffix}"
    draw_headroom(SPEC, found, path)
    assert path.stat().st_size > 1000
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        draw_headroom(SPEC, found, tmp_path / "a.doc")
    assert list(tmp_path.iterdir()) == [path]
