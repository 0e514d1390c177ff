r"""A grid of cells -> tabulars that fit \textwidth of the class article at 10 pt: smaller letters, words over several
lines, and where that is not enough, columns of numbers in several tabulars under each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pbgraph.report.latex_text import lines_of, set_text, width

TEXT_WIDTH = 345.0  # pt
GAP = 3.0  # on both sides of a column
LEAST = {10.0: 84.0, 9.0: 72.0, 8.0: 56.0}  # of a column of words that is broken into lines, before letters get smaller
NAMES = {10.0: r"\normalsize", 9.0: r"\small", 8.0: r"\footnotesize"}
SMALLEST = min(NAMES)
SAFETY = 1.0  # pt that a column is wider than its widest cell should be


@dataclass(frozen=True)
class Grid:
    """Cells under their header.

    words  how many columns, from the left, hold words, which may be broken over lines; others are numbers
    ends   of columns of words that stand on the right
    bold   (row, column) of cells
    groups row -> what stands in a line of its own above it and those that follow
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int
    ends: int = 0
    bold: frozenset[tuple[int, int]] = frozenset()
    groups: Mapping[int, str] = field(default_factory=dict)

    def is_word(self, column: int) -> bool:
        """Whether a column holds words."""
        return column < self.words or column >= len(self.header) - self.ends


@dataclass(frozen=True)
class Part:
    """A tabular: its lines, and about how high it is, in pt."""

    lines: tuple[str, ...]
    height: float


def parts(grid: Grid, *, highest: float) -> Iterator[Part]:
    """The grid as tabulars; none is higher than this many pt unless a row is."""
    size, panels = _layout(grid)
    for columns in panels:
        room = _room(grid, columns, size)
        yield from _tabulars(grid, columns, room, size=size, highest=highest)


def _layout(grid: Grid) -> tuple[float, list[list[int]]]:
    """The size of letters, and the columns of each tabular."""
    every = list(range(len(grid.header)))
    for size in NAMES:
        if _fits(grid, every, size):
            return size, [every]
    words = [column for column in every if grid.is_word(column)]
    panels: list[list[int]] = [[]]
    for column in (column for column in every if not grid.is_word(column)):
        if panels[-1] and not _fits(grid, sorted([*words, *panels[-1], column]), SMALLEST):
            panels.append([])
        panels[-1].append(column)
    return SMALLEST, [sorted([*words, *panel]) for panel in panels]


def _fits(grid: Grid, columns: Sequence[int], size: float) -> bool:
    room = _room(grid, columns, size)
    wanted = (min(_natural(grid, column, size), LEAST[size]) for column in columns if grid.is_word(column))
    given = (room[column] for column in columns if grid.is_word(column))
    return all(has >= needs for has, needs in zip(given, wanted, strict=True))


def _room(grid: Grid, columns: Sequence[int], size: float) -> dict[int, float]:
    """pt of each column: numbers get what they need, words share the rest, each no more than it needs."""
    needs = {column: _natural(grid, column, size) for column in columns}
    numbers = {column: needs[column] for column in columns if not grid.is_word(column)}
    rest = TEXT_WIDTH - 2 * GAP * (len(columns) - 1) - sum(numbers.values())
    room = dict(numbers)
    words = sorted((column for column in columns if grid.is_word(column)), key=lambda column: needs[column])
    for place, column in enumerate(words):
        room[column] = max(min(needs[column], rest / (len(words) - place)), 1.0)
        rest -= room[column]
    return room


def _natural(grid: Grid, column: int, size: float) -> float:
    """pt of the widest cell; of numbers, whose header is broken into lines, its widest part as well."""
    cells = [width(row[column], size, bold=(i, column) in grid.bold) for i, row in enumerate(grid.rows)]
    name = grid.header[column]
    if grid.is_word(column):
        return max([width(name, size), *cells]) + SAFETY
    widest = max(cells, default=0.0)
    return max(widest, *(width(line, size) for line in lines_of(name, max(widest, 24.0), size))) + SAFETY


def _tabulars(
    grid: Grid, columns: Sequence[int], room: dict[int, float], *, size: float, highest: float
) -> Iterator[Part]:
    kinds = "".join(_kind(grid, column, room, size) for column in columns)
    heads = [lines_of(grid.header[column], room[column], size) for column in columns]
    begin = [
        rf"{{{NAMES[size]}\setlength{{\tabcolsep}}{{{GAP:g}pt}}%",
        rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
        r"\toprule",
        " & ".join(_head(grid, column, lines) for column, lines in zip(columns, heads, strict=True)) + r" \\",
        r"\midrule",
    ]
    end = [r"\bottomrule", r"\end{tabular}\par}"]
    line = 1.2 * size
    empty = height = (max(map(len, heads)) + 2) * line
    body: list[str] = []
    group = ""
    for number in range(len(grid.rows)):
        more = line * max(_count(grid, number, column, room, size) for column in columns)
        begins = number in grid.groups
        group = grid.groups.get(number, group)
        if body and height + more + 1.5 * line * begins > highest:
            yield Part((*begin, *body, *end), height)
            body, height = [], empty
        if group and (begins or not body):
            body += [r"\addlinespace"] * bool(body)
            body.append(rf"\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{\textit{{{set_text(group)}}}}} \\")
            height += 1.5 * line
        body.append(" & ".join(_cell(grid, number, column, room, size) for column in columns) + r" \\")
        height += more
    yield Part((*begin, *body, *end), height)


def _wraps(grid: Grid, column: int, room: dict[int, float], size: float) -> bool:
    return grid.is_word(column) and room[column] < _natural(grid, column, size)


def _kind(grid: Grid, column: int, room: dict[int, float], size: float) -> str:
    if _wraps(grid, column, room, size):
        return rf">{{\raggedright\arraybackslash}}p{{{room[column]:.1f}pt}}"
    return "l" if grid.is_word(column) else "r"


def _head(grid: Grid, column: int, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return f"{{{set_text(lines[0])}}}"
    side = "l" if grid.is_word(column) else "r"
    return (
        rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}"
        + r" \\ ".join(f"{{{set_text(one)}}}" for one in lines)
        + r"\end{tabular}"
    )


def _cell(grid: Grid, number: int, column: int, room: dict[int, float], size: float) -> str:
    """Braces keep a first cell in brackets from being taken for an option of the row before; "-" is no value."""
    text = grid.rows[number][column]
    if text == "-":
        return "--"
    written = set_text(text, room=room[column] if _wraps(grid, column, room, size) else None, size=size)
    return (
        rf"\textbf{{{written}}}" if (number, column) in grid.bold else f"{{{written}}}" if "[" in text[:1] else written
    )


def _count(grid: Grid, number: int, column: int, room: dict[int, float], size: float) -> int:
    """About how many lines a cell has."""
    text = grid.rows[number][column]
    return len(lines_of(text, room[column], size)) if _wraps(grid, column, room, size) else 1
