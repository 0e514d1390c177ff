"""The site of docs/: built strictly, and readable from its files without network."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from links import ROOT

pytestmark = pytest.mark.lengthy


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    if find_spec("material") is None or find_spec("mkdocstrings") is None:
        pytest.skip("the packages of the extra 'docs' are not installed: no site was built; make docs builds it")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)\"|<link\b[^>]*\bhref=\"([^\"]+)\"")
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        for found in loaded.finditer(page.read_text()):
            target = found[1] or found[2]
            assert not re.match(r"[a-z]+:|//", target) or target.startswith("data:"), (page, target)


def test_links_lead_to_files_of_the_site(site):
    """Those of the pages' own text; what mkdocs itself checks are links from page to page."""
    wrong = []
    for page in (page for page in site.rglob("*.html") if page.name != "404.html"):
        text = re.search(r"<article.*?</article>", page.read_text(), re.DOTALL)
        for target in re.findall(r'(?:href|src)="([^"]+)"', text[0] if text else ""):
            name = target.partition("#")[0]
            path = page.parent / name if name else page
            if not re.match(r"[a-z]+:", target) and not (path.is_file() and path.resolve().is_relative_to(site)):
                wrong.append(f"{page.relative_to(site)}: {target}")
    assert not wrong


def test_what_docstrings_say_is_in_the_reference(site):
    page = (site / "reference" / "statistics.html").read_text()
    assert "<code>test_share</code>: n_test / n_train where every seed has its own split" in page
    assert 'id="pbgraph.report.stats.paired_difference"' in page


def test_the_table_is_in_the_answer(site):
    rows = (ROOT / "results" / "tox21.md").read_text().splitlines()
    cells = [cell.strip() for line in rows if line.startswith("| trimnet") for cell in line.strip("|").split("|")]
    page = (site / "answer.html").read_text()
    assert len(cells) > 20
    assert all(cell.replace("&", "&amp;") in page for cell in cells)


def test_columns_of_docstrings_are_lists():
    pytest.importorskip("griffe", reason="of the extra 'docs': no docstring was rewritten")
    import docstrings
    from docstrings import as_markdown

    assert not doctest.testmod(docstrings).failed
    said = as_markdown("Area.\n\ny      (n,) labels,\n       0 or 1\nReturns it.\n\n    a = b\n\n>>> 1\n1")
    assert said == "Area.\n\n- `y`: (n,) labels, 0 or 1\n\nReturns it.\n\n    a = b\n\n```pycon\n>>> 1\n1\n```"
