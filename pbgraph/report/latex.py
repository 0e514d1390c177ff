r"""Tables for papers: LaTeX with booktabs that fits \textwidth of the class article at 10 pt.

What is measured stands in floats; where it is from, and what is missing, in a note after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pbgraph.report.columns import WORDS, column_names, places, usual_columns
from pbgraph.report.latex_grid import Grid, parts
from pbgraph.report.latex_text import set_text
from pbgraph.report.tables import Table
from pbgraph.report.texts import COMPARED, Texts, texts
from pbgraph.report.together import together

NEEDS = r"% needs \usepackage{booktabs,array}"
ROOM = 250.0  # pt of a word in a caption or note
HIGHEST = 430.0  # pt of what stands in one float, beside its caption


def to_latex(table: Table, columns: Sequence[str] | None = None) -> str:
    """The table as LaTeX: a float with its rows, one with the comparisons, and a note.

    columns  of `column_names`; None: those that a page has room for
    """
    said, label = texts(table), table.protocol.task.split()[0]
    grid = measured([(table, said)], columns)
    pieces = [floats([grid], f"{said.title}. {in_bold([table])}", label)]
    if said.comparisons:
        compared = Grid(COMPARED, said.comparisons, words=2, ends=1)
        pieces.append(floats([compared], f"Paired differences of {_task(said)}. {said.note}", f"{label}-compared"))
    return document([*pieces, note([*said.answers, said.protocol, *said.notes])])


def measured(tables: Sequence[tuple[Table, Texts]], columns: Sequence[str] | None, names: Sequence[str] = ()) -> Grid:
    """The rows of tables with the same columns under one header; names: of the tables, each above its rows."""
    first, said = tables[0]
    wanted = columns or usual_columns(first)
    if columns is None:
        wanted = [name for name in column_names(first) if any(name in usual_columns(table) for table, _ in tables)]
    shown, known = places(first, wanted), column_names(first)
    groups: dict[int, str] = {}
    rows: list[tuple[str, ...]] = []
    bold: set[tuple[int, int]] = set()
    for number, (table, text) in enumerate(tables):
        groups |= dict.fromkeys([len(rows)], names[number]) if names else {}
        best = together(table).first
        for row, cells in zip(table.rows, text.rows, strict=True):
            if row.arm in best and first.metrics[0] in wanted:
                bold.add((len(rows), shown.index(known.index(first.metrics[0]))))
            rows.append(tuple(cells[place] for place in shown))
    header = tuple(said.header[place] for place in shown)
    words = sum(known[place] in WORDS for place in shown)
    return Grid(header, rows, words=words, bold=frozenset(bold), groups=groups)


def in_bold(tables: Sequence[Table]) -> str:
    """What bold letters say in these tables."""
    found = [each for each in map(together, tables) if each.arms]
    if not found:
        return "No row has all its runs, so none is in bold."
    which = " of each preset" if len(tables) > 1 else ""
    if not any(each.pairs for each in found):
        few = all(len(each.scores) < 2 for each in found)
        told = "too few seeds tell from no other" if few else "nothing here tells from another"
        return f"Bold: the best mean{which}, which {told}."
    counts = sorted({len(each.arms) for each in found})
    of = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    one_split = any(each.one_split for each in found)
    splits = "speak of initialisations on one split alone" if one_split else "allow for overlapping training sets"
    return (
        f"Bold: the best mean{which} and those not distinguishable from it, by simultaneous intervals of the {of} "
        f"rows that have all their runs, which {splits}."
    )


def floats(grids: Iterable[Grid], caption: str, label: str) -> str:
    r"""Grids in ``table`` environments, in as many as they need; where these are many, each fills a page."""
    pages: list[list[str]] = [[]]
    height = 0.0
    for part in (part for grid in grids for part in parts(grid, highest=HIGHEST)):
        if pages[-1] and height + part.height > HIGHEST:
            pages.append([])
            height = 0.0
        pages[-1] += [*([r"\par\medskip"] if pages[-1] else []), *part.lines]
        height += part.height
    return "\n".join(_float(lines, caption, label, place) for place, lines in enumerate(pages))


def _float(lines: Sequence[str], caption: str, label: str, place: int) -> str:
    name = re.sub("[^A-Za-z0-9]+", "-", label)
    said = caption if place == 0 else f"{caption.split('. ')[0]} (continued)."
    return "\n".join(
        [
            *([r"\clearpage"] if place else []),
            r"\begin{table}[!tbp]",
            r"\centering\setlength{\emergencystretch}{6em}",
            rf"\caption{{{set_text(said, room=ROOM)}}}\medskip",
            *([rf"\label{{tab:{name}}}"] if place == 0 else []),
            *lines,
            r"\end{table}",
        ]
    )


def note(lines: Iterable[str]) -> str:
    """Lines as a paragraph each, in small letters, outside of any float; what is between ** is bold."""
    said = (re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", set_text(line, room=ROOM)) for line in lines if line)
    return "\n".join(["", r"{\footnotesize\raggedright\noindent", "\\par\\noindent\n".join(said), r"\par}"])


def document(pieces: Iterable[str]) -> str:
    """Pieces under what they need."""
    return "\n".join([NEEDS, *pieces]) + "\n"


def _task(said: Texts) -> str:
    return said.title.split(":")[0]
