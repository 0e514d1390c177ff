"""Lines on a terminal that are renewed in place, each of them no longer than the terminal is wide."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from pbgraph.terminal import visible, visible_cell

GAP = 2  # between two columns
BAR = 12
LEAST_NAME = 16  # characters of a name that are kept
ELLIPSIS = "…"


@dataclass(frozen=True)
class Line:
    """What is shown of one worker, by column; fraction: of its run, in [0, 1], drawn as a bar; None: no bar."""

    name: str
    phase: str = ""
    epoch: str = ""
    best: str = ""
    dendrites: str = ""
    left: str = ""
    fraction: float | None = None


BAR_COLUMN, DENDRITES, PHASE = 6, 4, 1
COLUMNS = 7


def laid_out(lines: Sequence[Line], width: int) -> list[str]:
    """The lines in columns, none wider than `width`.

    What does not fit goes in this order: the bar, the number of dendrites, the phase; then names lose their middle, and
    in the end lines are cut.

    >>> line = Line("trimnet/backprop:hidden=64 68", "neuron", "epoch 3 of 60", "best 0.8412", left="1:10 left")
    >>> laid_out([line], 60)
    ['trimnet/ba…dden=64 68  epoch 3 of 60  best 0.8412  1:10 left']
    """
    rows = [[visible_cell(cell) for cell in astuple(line)[:BAR_COLUMN]] + [_bar(line.fraction)] for line in lines]
    for column in (BAR_COLUMN, DENDRITES, PHASE):
        if _width(rows) > width:
            rows = [[*row[:column], "", *row[column + 1 :]] for row in rows]
    room = max(width - _width(rows) + _widest(rows, 0), LEAST_NAME)
    rows = [[shortened(row[0], room), *row[1:]] for row in rows]
    return [_cut(_joined(row, [_widest(rows, column) for column in range(COLUMNS)]), width) for row in rows]


def shortened(text: str, width: int) -> str:
    """A text without its middle, where it is too wide: beginnings are much alike, and so are ends, seldom both.

    >>> shortened("trimnet/backprop:hidden=64 68", 20)
    'trimnet/b…dden=64 68'
    """
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[:width]
    head = (width - 1) // 2
    tail = width - 1 - head
    start = set_cell_size(text, head)
    return f"{start}{ELLIPSIS}{set_cell_size(text[::-1], tail)[::-1]}"


def _bar(fraction: float | None) -> str:
    if fraction is None:
        return ""
    done = round(BAR * min(max(fraction, 0.0), 1.0))
    return "━" * done + "·" * (BAR - done)


def _widest(rows: Sequence[Sequence[str]], column: int) -> int:
    return max((cell_len(row[column]) for row in rows), default=0)


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = [width for column in range(COLUMNS) if (width := _widest(rows, column))]
    return sum(widths) + GAP * max(len(widths) - 1, 0)


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True) if width]
    return (" " * GAP).join(cells).rstrip()


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)) + ELLIPSIS[:width]


class Display:
    """Lines at the bottom of a terminal, and notes that scroll by above them. Closed when its block ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lines: tuple[Line, ...] = ()
        self._live = RichLive(console=console, transient=True, auto_refresh=False, get_renderable=self._rendered)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, lines: Sequence[Line]) -> None:
        """Renew the lines, if they are others than before."""
        if tuple(lines) != self._lines:
            self._lines = tuple(lines)
            with suppress(OSError):
                self._live.refresh()

    def note(self, text: str) -> None:
        """Print a text above the lines, broken into lines of the terminal's width."""
        with suppress(OSError):
            self.console.print(visible(text), markup=False, highlight=False, overflow="fold")

    @property
    def texts(self) -> list[str]:
        """The lines as they are shown."""
        return laid_out(self._lines, self.console.width)

    def _rendered(self) -> Group:
        return Group(*(Text(line, no_wrap=True, overflow="crop") for line in self.texts))
