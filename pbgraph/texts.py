"""What a table says, in words: the same in LaTeX and HTML as in Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from pbgraph.formats import answers, cells, columns, comparison_cells, comparison_note, notes, protocol_line, title
from pbgraph.tables import PLAIN, Table


@dataclass(frozen=True)
class Texts:
    """The parts of a table.

    title, protocol  what is shown, and under which conditions it was measured
    header, rows     names in the first two columns, numbers after them
    note, comparisons  how arms were compared, and one row per pair under `formats.COMPARISON_COLUMNS`
    answers          one sentence per arm with dendrites, the model in **bold**
    notes            what is missing, failed or undefined, and where the runs come from
    """

    title: str
    protocol: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    comparisons: tuple[tuple[str, ...], ...]
    answers: tuple[str, ...]
    notes: tuple[str, ...]


def texts(table: Table) -> Texts:
    """The parts of this table."""
    against_plain = {one.a: one for one in table.comparisons if one.b.endswith(f"/{PLAIN}")}
    return Texts(
        title=title(table),
        protocol=protocol_line(table),
        header=tuple(columns(table)),
        rows=tuple(cells(row, table.protocol.seeds, against_plain.get(row.arm)) for row in table.rows),
        note=comparison_note(len(table.comparisons), table.yardstick.relevant),
        comparisons=tuple(map(comparison_cells, table.comparisons)),
        answers=tuple(answers(table)),
        notes=tuple(notes(table)),
    )
