"""Curves in plain characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 68, 10  # columns and lines of the field that points are in
MARK = "*"


def plot(values: Sequence[float | None], labels: Sequence[str], *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Values over their places, from left to right, and below them a line that says which label each column has.

    labels  one for each value; of what stands in one column the last is shown, by its first letter
    A value that is None has no mark; where all are, there are only labels.

    >>> print(plot([0.0, None, 1.0], ["neuron", "dendrite", "neuron"], width=3, height=3))
    1.000000 |  *
             |
    0.000000 |*
              ndn
    """
    known = [value for value in values if value is not None]
    columns = min(width, len(values))
    low, high = min(known, default=0.0), max(known, default=0.0)
    grid = [[" "] * columns for _ in range(height if known else 0)]
    strip = [" "] * columns
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        column = place * columns // len(values)
        strip[column] = label[:1]
        if value is not None:
            share = (value - low) / (high - low) if high > low else 0.5
            grid[round((1 - share) * (height - 1))][column] = MARK
    margin = max(len(_number(low)), len(_number(high)))
    beside = {0: _number(high), len(grid) - 1: _number(low)}
    lines = [f"{beside.get(row, ''):>{margin}} |{''.join(cells)}".rstrip() for row, cells in enumerate(grid)]
    return "\n".join([*lines, " " * (margin + 2) + "".join(strip)])


def _number(value: float) -> str:
    """Eight characters, or as many as it takes.

    >>> _number(0.8432), _number(-12345.678)
    ('0.843200', '-12345.7')
    """
    return f"{value:.6f}" if abs(value) < 10 else f"{value:.6g}"
