"""The columns of a table for people by name, of which ``--columns`` chooses."""

from __future__ import annotations

from collections.abc import Sequence

from pbgraph.errors import unknown_name
from pbgraph.methods.roles import PLAIN
from pbgraph.report.tables import Table

WORDS = ("model", "method")  # the other columns are of numbers
FLUSH_LEFT = (*WORDS, "difference")  # in Markdown
Cells = Sequence[str]


def column_names(table: Table) -> tuple[str, ...]:
    """What the columns of `pbgraph.report.texts.texts` are called by programs, in their order."""
    return ("model", "method", "seeds", *table.metrics, "parameters", "epochs", "time", "difference")


def usual_columns(table: Table) -> tuple[str, ...]:
    """Those that a page of paper has room for.

    Seeds are left out where every row has all of them, and differences where they stand among the comparisons.
    """
    whole = all(len(row.seeds) == len(table.protocol.seeds) for row in table.rows)
    compared = any(comparison.b.method == PLAIN for comparison in table.comparisons)
    left_out = {*table.metrics[1:], *(["seeds"] if whole else []), *(["difference"] if compared else [])}
    return tuple(name for name in column_names(table) if name not in left_out)


def places(table: Table, names: Sequence[str]) -> list[int]:
    """Where these columns are, in the order of the table. Raises UsageError, with the nearest, for an unknown one."""
    known = column_names(table)
    for name in names:
        if name not in known:
            raise unknown_name("column", name, known)
    return [place for place, name in enumerate(known) if name in names]


def narrowed(
    table: Table, header: Cells, rows: Sequence[Cells], names: Sequence[str] | None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of these columns alone; None: of all."""
    shown = places(table, names or column_names(table))
    return [header[place] for place in shown], [[row[place] for place in shown] for row in rows]


def flush_right(table: Table, names: Sequence[str] | None) -> list[int]:
    """Which of these columns, or of all, stand at the right in Markdown."""
    known = column_names(table)
    shown = places(table, names or known)
    return [number for number, place in enumerate(shown) if known[place] not in FLUSH_LEFT]
