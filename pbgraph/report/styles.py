"""How pictures look: colours that people with any colour vision tell apart, marks and dashes beside them, files.

The first eight colours differ by at least 15 in CIELAB, for usual colour vision and under simulated deuteranopia and
protanopia; most are those of Okabe & Ito 2008. No curve is told by its colour alone: marks and dashes differ as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from pbgraph.errors import UsageError
from pbgraph.files.writing import replaced_file
from pbgraph.methods.roles import PERFORATED, PLAIN
from pbgraph.report.shown import PICTURES

OWN = {PLAIN: ("#222222", "o", "-"), PERFORATED: ("#d55e00", "D", "-")}
COLOURS = ("#0072b2", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#332288")
MARKS = ("s", "^", "v", "P", "X", "<", ">")
DASHES: tuple[Any, ...] = ("--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)))
RESOLUTION = 150  # dots per inch of a .png
EMBEDDED: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "pbgraph"}


@dataclass(frozen=True)
class Style:
    """Of one curve; dashes as matplotlib has them."""

    colour: str
    mark: str
    dashes: Any

    @property
    def line(self) -> dict[str, Any]:
        """As arguments of matplotlib's functions."""
        return {"color": self.colour, "marker": self.mark, "linestyle": self.dashes}


def styles_of(curves: Iterable[str]) -> dict[str, Style]:
    """Curve -> its style in one picture: of backpropagation and dendrites always the same, of others by their order.

    >>> [style.mark for style in styles_of(["perforated", "continued", "widened"]).values()]
    ['D', 's', '^']
    """
    others = zip(cycle(COLOURS), cycle(MARKS), cycle(DASHES), strict=False)
    return {curve: Style(*(OWN[curve] if curve in OWN else next(others))) for curve in dict.fromkeys(curves)}


def agg() -> Any:
    """`matplotlib.pyplot`, drawing to files alone."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def place_legend(figure: Any, named: Mapping[str, Any]) -> None:
    """Every mark by its name, below the axes, in as many columns as fit; the figure grows by their rows."""
    width, height = figure.get_size_inches()
    columns = max(1, min(len(named), int(width * 16) // (max(map(len, named)) + 6)))
    figure.set_size_inches(width, height + 0.17 * -(-len(named) // columns))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def check_picture(path: Path) -> None:
    """Raises UsageError unless the suffix of a picture's name is one of those that are drawn."""
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"figure {path}: give a name that ends in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that the suffix says, and close it.

    Fonts of a PDF are embedded as TrueType, and text in an SVG is text. Raises UsageError as `check_picture`.
    """
    import matplotlib

    try:
        check_picture(path)
        kind = path.suffix.removeprefix(".").lower()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        with replaced_file(path) as part, matplotlib.rc_context(EMBEDDED):
            figure.savefig(part, dpi=RESOLUTION, format=kind, metadata=metadata)
    finally:
        agg().close(figure)
