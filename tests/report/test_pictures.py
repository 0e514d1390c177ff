"""Pictures that everybody can read: colours, marks, names in the legend, text that stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from made_records import arms, history, make_record
from pbgraph import bench
from pbgraph.errors import UsageError
from pbgraph.headroom import _STYLES as OF_HEADROOM
from pbgraph.report import pictures, styles
from pbgraph.report.figures import draw_learning_curves
from pbgraph.report.styles import COLOURS, OWN, styles_of
from pbgraph.report.tables import make_table
from pbgraph.report.together import together

ARMS = arms("gin/backprop", "trimnet/backprop", "trimnet/perforated", "trimnet/continued")
TABLE_WORDS = ["table", "tox21", "--results"]
# linear RGB -> linear RGB as it is seen: Machado et al. 2009, doi:10.1109/TVCG.2009.113, severity 1
SEEN = {
    "by most": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
LEAST = 15.0  # CIELAB; a just noticeable difference is 2.3


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    c = np.array(to_rgb(colour))
    linear = np.clip(seen @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4), 0, 1)
    xyz = TO_XYZ @ linear / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_distance(colours, seen) -> float:
    return min(float(np.linalg.norm(lab(a, SEEN[seen]) - lab(b, SEEN[seen]))) for a, b in combinations(colours, 2))


@pytest.mark.parametrize("seen", SEEN)
def test_colours_are_told_apart_by_any_colour_vision(seen):
    assert least_distance([*(colour for colour, _, _ in OWN.values()), *COLOURS], seen) >= LEAST
    assert least_distance([colour for colour, _ in OF_HEADROOM.values()], seen) >= LEAST
    assert (
        least_distance(["#444444", "#c8102e", "#1f6fb2", "#2a9d4a", "#8a5fbf"], "deuteranopia") < LEAST
    )  # as they were


def test_curves_differ_in_mark_and_dashes_too():
    found = styles_of([*OWN, *(f"variant {i}" for i in range(30))])
    assert len({(style.mark, str(style.dashes)) for style in found.values()}) == len(found)
    assert len({style.colour for style in list(found.values())[:8]}) == 8
    assert len({style.mark for style in list(found.values())[:9]}) == 9


@pytest.fixture
def records():
    return [
        make_record(arm, seed, 0.8 + 0.01 * i + 0.001 * (seed * (i + 1) % 4))
        for i, arm in enumerate(ARMS)
        for seed in range(4)
    ]


def drawn(kind: str, records, path: Path) -> None:
    table = make_table(records, arms=ARMS, seeds=range(4))
    match kind:
        case "forest":
            pictures.draw_forest({"": table}, path)
        case "pareto":
            pictures.draw_pareto(table, path)
        case "cd":
            pictures.draw_critical_difference(table, together(table), path)
        case _:
            draw_learning_curves(records, path, seeds=range(4))


@pytest.mark.parametrize("kind", ["forest", "pareto", "cd", "curves"])
def test_text_is_text_fonts_are_embedded_and_every_arm_is_named(kind, records, tmp_path):
    drawn(kind, records, tmp_path / "a.svg")
    words = re.findall(r"<text[^>]*>([^<]+)</text>", (tmp_path / "a.svg").read_text())
    for arm in ARMS[kind == "forest" :]:  # the first is compared with none
        assert any(str(arm) in line for line in words), (arm, words)
    drawn(kind, records, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    drawn(kind, records, tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/Type3" not in content
    assert b"/CIDFontType2" in content


@pytest.mark.parametrize("kind", ["forest", "pareto", "cd", "curves"])
def test_every_mark_is_in_the_legend(kind, records, tmp_path, monkeypatch):
    grown = history("neuron", "dendrite", "neuron", dendrites=(0, 0, 1))
    records = [one if one.spec.method != "perforated" else replace(one, history=grown) for one in records]
    kept = []
    monkeypatch.setattr(styles, "agg", lambda: Kept(kept))
    drawn(kind, records, tmp_path / "a.png")
    (figure,) = kept
    legend = {
        (handle.get_marker(), handle.get_color())
        for handle in figure.legends[0].legend_handles
        if hasattr(handle, "get_marker")
    }
    marks = {line.get_marker() for axis in figure.axes for line in axis.lines} - {"None", "", None}
    assert marks <= {mark for mark, _ in legend}
    figure.clear()


class Kept:
    """In the place of pyplot where a figure would be closed."""

    def __init__(self, figures) -> None:
        self.close = figures.append


def test_what_cannot_be_drawn_is_an_error_that_says_why(records, tmp_path):
    alone = make_table(records, arms=ARMS[:1], seeds=range(4))
    with pytest.raises(UsageError, match="no difference to draw"):
        pictures.draw_forest({"": alone}, tmp_path / "a.png")
    with pytest.raises(UsageError, match="ranks take two arms"):
        pictures.draw_critical_difference(alone, together(alone), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--figure", "a.bmp"], "figure a.bmp: give a name that ends in .png, .svg or .pdf"),
        (["--figure", "a"], "give a name that ends in .png, .svg or .pdf"),
        (["--figure", "a.png", "--kind", "forrest"], "unknown kind of figure 'forrest'; did you mean 'forest'?"),
        (["--kind", "forest"], "name its file with --figure"),
        (["--figure", "a.png", "--kind", "frontier"], "--kind frontier is of a study"),
        (["--figure", "a.png", "--kind", "cd", "--study", "compression"], "a study has frontier, forest"),
    ],
)
def test_a_figure_that_cannot_be_is_refused_before_anything_is_read(words, said, tmp_path, capsys):
    """There are no results: a complaint of these would come later."""
    assert bench.main([*TABLE_WORDS, str(tmp_path / "none"), *words]) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert out.out == ""


@pytest.mark.parametrize(
    "command", [["dendrites", "tox21", "trimnet/perforated"], ["dendrites", "tox21", "x/y", "--headroom"]]
)
def test_so_are_those_of_dendrites(command, tmp_path, capsys):
    assert bench.main([*command, "--results", str(tmp_path), "--figure", "a.gif"]) == 2
    assert "figure a.gif" in capsys.readouterr().err
