"""Docstrings as Markdown, for mkdocstrings: their columns of names and meanings are lists, their examples are code."""

from __future__ import annotations

import re

from griffe import Docstring, Extension, Object

COLUMN = re.compile(r"(\S(?:.*?\S)?)  +(\S.*)")  # a name, two spaces or more, and what it means


class Docstrings(Extension):
    """Rewrites every docstring before it is rendered."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring = Docstring(as_markdown(obj.docstring.value), parent=obj, lineno=obj.docstring.lineno)


def as_markdown(text: str) -> str:
    """A docstring of this repository as Markdown.

    >>> print(as_markdown("Area.\\n\\ny      (n,) labels,\\n       0 or 1\\nscore  (n,) of them\\nReturns it."))
    Area.
    <BLANKLINE>
    - `y`: (n,) labels, 0 or 1
    - `score`: (n,) of them
    <BLANKLINE>
    Returns it.
    >>> as_markdown(">>> 1\\n1").split("\\n")[0]
    '```pycon'
    """
    return "\n\n".join(_paragraph(part) for part in re.split(r"\n\s*\n", text.strip()))


def _paragraph(text: str) -> str:
    if text.startswith(">>>"):
        return f"```pycon\n{text}\n```"
    if text.startswith(("    ", "|", "- ", "```")):
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        if found := COLUMN.fullmatch(line):
            _part(lines, listed=True)
            lines.append(f"- `{found[1]}`: {found[2]}")
        elif line.startswith("  ") and lines and lines[-1].startswith("- "):
            lines[-1] += f" {line.strip()}"
        else:
            _part(lines, listed=False)
            lines.append(line)
    return "\n".join(lines)


def _part(lines: list[str], *, listed: bool) -> None:
    """A blank line between a list and what is none."""
    if lines and lines[-1].startswith("- ") != listed:
        lines.append("")
