"""Tables for papers: LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pbgraph.report.tables import Table
from pbgraph.report.texts import COMPARED, texts

SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"\ensuremath{\pm}",
}


def to_latex(table: Table) -> str:
    r"""A ``table`` environment with the protocol as its caption; needs ``\usepackage{booktabs}``.

    The comparisons are a second tabular under the first, with the answers and notes.
    """
    said = texts(table)
    lines = [*tabular(said.header, said.rows, "ll" + "r" * (len(said.header) - 3) + "l")]
    if said.comparisons:
        lines += [r"\par\medskip", *tabular(COMPARED, said.comparisons, "llrlrl")]
        lines += [r"\par\smallskip\footnotesize", escaped(said.note)]
    lines += [r"\begin{itemize}", *(rf"\item {_bold(line)}" for line in (*said.answers, *said.notes)), r"\end{itemize}"]
    return environment(lines, f"{said.title}. {said.protocol}", table.protocol.task.split()[0])


def environment(lines: Iterable[str], caption: str, label: str) -> str:
    r"""Lines as a ``table`` environment; needs ``\usepackage{booktabs}``."""
    return (
        "\n".join(
            [
                r"% needs \usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{escaped(caption)}}}",
                rf"\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', label)}}}",
                *lines,
                r"\end{table}",
            ]
        )
        + "\n"
    )


def escaped(text: str) -> str:
    r"""Text in which every character stands for itself.

    >>> print(escaped("a_b & 5 %"))
    a\_b \& 5 \%
    """
    return "".join(SPECIAL.get(character, character) for character in text)


def tabular(header: Sequence[str], rows: Iterable[Sequence[str]], columns: str) -> list[str]:
    """The lines of a table whose columns are flush as these letters say, l or r."""
    return [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(header),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _line(cells: Sequence[str]) -> str:
    """One row; the braces keep a first cell in brackets from being taken for an option of the row before."""
    return " & ".join(f"{{{escaped(cell)}}}" if cell.startswith("[") else escaped(cell) for cell in cells) + r" \\"


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", escaped(text))
