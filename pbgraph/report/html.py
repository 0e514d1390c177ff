"""Tables as web pages: one file, no other resource, readable without its script, which only sorts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from pbgraph.report.tables import Table
from pbgraph.report.texts import COMPARED, texts

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 80rem; margin: 0 auto; padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid #8888; font-variant-numeric: tabular-nums; }
th button { font: inherit; border: 0; padding: 0; background: none; color: inherit; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
"""
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim(), number = parseFloat(text.replace(/,/g, ""));
    const time = /^\\d+(:\\d\\d)+$/.test(text) ? text.split(":").reduce((sum, part) => 60 * sum + +part, 0) : number;
    return Number.isNaN(time) ? text : time;
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending", rows = [...body.rows];
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort((a, b) => {
        const x = value(a, column), y = value(b, column);
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
"""


def to_html(table: Table) -> str:
    """A page with this table alone."""
    return page(f"pbgraph: {table.protocol.task.split()[0]}", [section(table)])


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page under its title, around parts that are HTML already."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{escape(title)}</h1>",
        *parts,
        "</main>",
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def section(table: Table, *, anchor: str = "table", ranks: Sequence[str] | None = None) -> str:
    """A table with its protocol, comparisons, answers and notes; ranks: a first column, one cell per row."""
    said = texts(table)
    header, rows = said.header, said.rows
    if ranks is not None:
        header, rows = ("rank", *header), tuple((rank, *row) for rank, row in zip(ranks, rows, strict=True))
    parts = [f'<section id="{escape(anchor)}">', f"<h2>{escape(said.title)}</h2>", f"<p>{escape(said.protocol)}</p>"]
    parts.append(grid("Measured", header, rows))
    if said.comparisons:
        parts += [grid("Paired differences", COMPARED, said.comparisons), f"<p>{escape(said.note)}</p>"]
    return "\n".join([*parts, bullets((*said.answers, *said.notes)), "</section>"])


def grid(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that its reader can sort by any column."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join(
        [
            f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">',
            f'<table class="sortable"><caption>{escape(caption)}</caption>',
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody>",
            "</table>",
            "</div>",
        ]
    )


def bullets(lines: Iterable[str]) -> str:
    """A list; what is between ** in a line is strong."""
    items = (re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(line)) for line in lines)
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
