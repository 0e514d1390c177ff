"""Small drawings inside a page, as SVG that takes its colours from the page: intervals, differences, histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pbgraph.history import Epoch
from pbgraph.report.figures import dendrite_phases

WIDTH, HEIGHT = 150, 16
POINTS = 48  # of a history; of a longer one some are left out
CURVE = (120, 24)  # width and height of a history


@dataclass(frozen=True)
class Axis:
    """The ends of a scale that several drawings share."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float]) -> Axis:
        """From the least to the most of some values, and a little beyond."""
        known = list(values) or [0.0, 1.0]
        room = 0.04 * (max(known) - min(known)) or 0.01
        return cls(min(known) - room, max(known) + room)

    def at(self, value: float, length: int = WIDTH) -> str:
        """A place on a drawing of this length, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return f"{min(max(share, 0.0), 1.0) * length:.1f}".removesuffix(".0")


def interval(axis: Axis, mean: float, ends: tuple[float, float] | None, seeds: Sequence[float]) -> Markup:
    """A bar from end to end, a dot at the mean, a tick for each seed."""
    ticks = "".join(f"M{axis.at(score)} 3v10" for score in seeds[:POINTS])
    return _drawing(f'<path class="t" d="{ticks}"/>{_marks(axis, mean, ends)}')


def difference(axis: Axis, mean: float, ends: tuple[float, float] | None, relevant: float) -> Markup:
    """As `interval`, on a band of what does not matter and a line at 0."""
    left, right = axis.at(-relevant), axis.at(relevant)
    band = f'<path class="m" d="M{left} 0H{right}V{HEIGHT}H{left}z"/><path class="z" d="M{axis.at(0.0)} 0V{HEIGHT}"/>'
    return _drawing(band + _marks(axis, mean, ends))


def _marks(axis: Axis, mean: float, ends: tuple[float, float] | None) -> str:
    bar = "" if ends is None else f'<path class="b" d="M{axis.at(ends[0])} 8H{axis.at(ends[1])}"/>'
    return f'{bar}<circle cx="{axis.at(mean)}" cy="8" r="3.5"/>'


def curve(history: Sequence[Epoch], selected: int | None, axis: Axis) -> Markup:
    """Validation scores over epochs, dendrite phases shaded, a ring at the epoch that was selected; "" of none."""
    width, height = CURVE
    if len(history) < 2:
        return Markup("")
    across = Axis(0, len(history) - 1)
    step = -(-len(history) // POINTS)
    places = {*range(0, len(history), step), len(history) - 1}
    points = " ".join(
        f"{across.at(place, width)},{_up(axis, valid)}"
        for place in sorted(places)
        if (valid := history[place].valid) is not None
    )
    spans = [(across.at(first, width), across.at(last, width)) for first, last in dendrite_phases(history)[:POINTS]]
    bands = "".join(f"M{first} 0H{last}V{height}H{first}z" for first, last in spans)
    shades = f'<path class="m" d="{bands}"/>' if bands else ""
    chosen = next((place for place, line in enumerate(history) if line.epoch == selected), None)
    score = None if chosen is None else history[chosen].valid
    ring = ""
    if chosen is not None and score is not None:
        ring = f'<circle cx="{across.at(chosen, width)}" cy="{_up(axis, score)}" r="3"/>'
    return _drawing(f'{shades}<polyline points="{points}"/>{ring}', "h", CURVE)


def _up(axis: Axis, value: float) -> str:
    return Axis(-axis.high, -axis.low).at(-value, CURVE[1])


def _drawing(content: str, kind: str = "i", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Markup:
    """Hidden from screen readers: what it shows stands in a cell beside it."""
    return Markup(f'<svg class="{kind}" viewBox="0 0 {size[0]} {size[1]}" aria-hidden="true">{content}</svg>')
