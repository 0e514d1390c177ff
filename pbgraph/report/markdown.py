"""Markdown: tables that line up in a terminal too, lists, and text in which nothing is a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pbgraph.terminal import visible_cell


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """A Markdown table whose columns also line up in a terminal; right: columns that are flush right."""
    escaped = [[as_markdown(cell).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    lines, flush = list(map(tuple, escaped)), set(right)
    widths = [max(3, *(len(line[c]) for line in lines)) for c in range(len(header))]
    rule = [("-" * (width - 1) + ":") if c in flush else "-" * width for c, width in enumerate(widths)]
    padded = [
        [
            cell.rjust(width) if c in flush else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [padded[0], rule, *padded[1:]])


def bullets(lines: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {as_markdown(line)}" for line in lines)


def as_markdown(text: str) -> str:
    """Text in which no HTML and no link is left, however it came into a record.

    >>> as_markdown("<b> <0.001 [a](b)")
    '&lt;b> <0.001 [a]\\\\(b)'
    """
    return re.sub(r"\]([(\[:])", r"]\\\1", re.sub(r"<(?=[A-Za-z/!?])", "&lt;", visible_cell(text)))
