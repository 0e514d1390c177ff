"""Links of a Markdown page, as they stand in its text; what is in code is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCED = r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}).*?^(?P=indent)(?P=fence)[ \t]*$"
IN_LINE = r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\n).)*?(?<!`)(?P=ticks)(?!`)"
LINK = r"(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^()\s]+)\)"
PIECES = re.compile(f"(?P<code>{FENCED}|{IN_LINE})|{LINK}", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def links(text: str) -> Iterator[str]:
    """The targets of a page's links and pictures.

    >>> list(links("[a](b.md#c) `[d](e)` ![f](g.png) [h](https://x.org)"))
    ['b.md#c', 'g.png', 'https://x.org']
    """
    return (found["target"] for found in PIECES.finditer(text) if found["code"] is None)


def replaced(text: str, new: Callable[[str, str], str]) -> str:
    """The page with every link made anew: (text in brackets, target) -> what stands there instead."""
    return PIECES.sub(lambda found: found[0] if found["code"] else new(found["text"], found["target"]), text)


def local(page: Path, target: str) -> tuple[Path, str] | None:
    """The file that a link of a page leads to, and "#anchor" or ""; None if it leads to another place."""
    if ELSEWHERE.match(target):
        return None
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    return path, f"#{anchor}" if anchor else ""


def anchors(text: str) -> set[str]:
    """What headings of a page are called in links, as GitHub does.

    >>> sorted(anchors("# Is it true?\\n\\n## The `rm` of K-9\\n"))
    ['is-it-true', 'the-rm-of-k-9']
    """
    prose = PIECES.sub(
        lambda found: "" if (found["code"] or "").lstrip().startswith(("```", "~~~")) else found[0], text
    )
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", prose, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}
