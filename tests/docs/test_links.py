"""Every link of README, CONTRIBUTING and docs/ leads to a file or a heading that is there, as GitHub shows them."""

from __future__ import annotations

import doctest

import links as module
import pytest
from links import DOCS, ROOT, anchors, links, local, replaced

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    wrong = []
    for target in links(page.read_text()):
        if (led := local(page, target)) is None:
            continue
        path, anchor = led
        there = path.exists() and path.is_relative_to(ROOT)
        if there and anchor and path.suffix == ".md":
            there = anchor[1:] in anchors(path.read_text())
        if not there:
            wrong.append(target)
    assert not wrong


def test_examples():
    assert not doctest.testmod(module).failed


def test_what_is_in_code_is_no_link():
    text = "`[a](b)`\n\n```python\n[c](d)\n```\n\n[g](h) ``[`i`](j)`` ![k](l)\n"
    assert list(links(text)) == ["h", "l"]
    assert replaced(text, lambda text, target: f"{text}<{target}>").count("<") == 2


def test_headings_in_code_are_none():
    assert anchors("## One `two`, three?\n\n```sh\n# no heading\n```\n\n# [Four](x.md)\n") == {"one-two-three", "four"}


def test_every_page_is_in_the_contents():
    named = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    assert not [page for page in DOCS.rglob("*.md") if f" {page.relative_to(DOCS)}\n" not in named]
