"""Tables as web pages: one file, no other resource, readable without its script, which sorts, filters and opens.

Templates, style and script are the files beside this one in `templates`; every text is escaped there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbgraph.report.tables import Table
from pbgraph.report.texts import texts

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["strong"] = strong
    return made


def rendered(template: str, **values: Any) -> Markup:
    """A template with these values; its name is that of a file in `TEMPLATES`."""
    from markupsafe import Markup

    return Markup(_environment().get_template(template).render(values))


def strong(line: str) -> Markup:
    """Text in which what is between ** is strong."""
    from markupsafe import Markup

    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(line)))


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page under its title, around parts that are HTML already."""
    style, script = (_html((TEMPLATES / name).read_text("utf-8")) for name in ("style.css", "script.js"))
    return str(rendered("page.html", title=title, parts=list(map(_html, parts)), style=style, script=script))


def _html(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)


def to_html(table: Table) -> str:
    """A page with this table alone."""
    said = texts(table)
    return page(f"pbgraph: {table.protocol.task.split()[0]}", [rendered("table.html", said=said)])


def grid(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that its reader can sort by any column."""
    return str(rendered("grid.html", caption=caption, header=header, rows=list(rows)))


def bullets(lines: Iterable[str]) -> str:
    """A list; what is between ** in a line is strong."""
    items = (f"<li>{strong(line)}</li>" for line in lines)
    return "<ul>" + "".join(items) + "</ul>"
