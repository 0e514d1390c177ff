"""What a page gives away as files: it carries them in itself, so that they need neither network nor script."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from pbgraph import __version__
from pbgraph.report.formats import json_content
from pbgraph.report.latex import to_latex
from pbgraph.report.per_target import PerTarget, to_csv
from pbgraph.report.tables import Table

TYPES = {"csv": "text/csv", "json": "application/json", "tex": "application/x-tex", "bib": "application/x-bibtex"}
PERFORATED_PAPER = """@misc{perforated,
  title = {Perforated Backpropagation: A Neuroscience Inspired Extension to Artificial Neural Networks},
  author = {Brenner, Rorry and Itti, Laurent},
  year = {2025},
  eprint = {2501.18018},
  archiveprefix = {arXiv}
}
"""


@dataclass(frozen=True)
class Download:
    """A file: what it is called, and its content as an address."""

    label: str
    name: str
    address: str


def download(name: str, content: str) -> Download:
    """A file of this name, whose suffix says what it is."""
    suffix = name.rpartition(".")[2]
    label = {"tex": "LaTeX", "bib": "BibTeX"}.get(suffix, suffix.upper())
    encoded = b64encode(content.encode()).decode()
    return Download(label, name, f"data:{TYPES[suffix]};charset=utf-8;base64,{encoded}")


def of_table(table: Table, view: PerTarget, name: str) -> list[Download]:
    """A table as CSV with every target and metric, as JSON, and as LaTeX."""
    return [
        download(f"{name}.csv", to_csv(view)),
        download(f"{name}.json", msgspec.json.encode(json_content(table)).decode()),
        download(f"{name}.tex", to_latex(table)),
    ]


def citations(tables: Sequence[Table], sources: Iterable[str]) -> Download:
    """The benchmark with the protocols of its tables, the paper on dendrites, and whatever has a DOI, as BibTeX."""
    protocols = ", ".join(dict.fromkeys(table.protocol.id for table in tables))
    commits = ", ".join(dict.fromkeys(commit for table in tables for commit in table.commits if commit))
    own = (
        "@software{pbgraph,\n"
        "  title = {pbgraph: a benchmark harness for perforated dendrites in graph neural networks},\n"
        "  author = {{The pbgraph developers}},\n"
        f"  version = {{{__version__}}},\n"
        f"  note = {{protocols {protocols}; source commits {commits or 'unknown'}}}\n"
        "}\n"
    )
    return download("citations.bib", "\n".join([own, PERFORATED_PAPER, *_with_doi(sources)]))


def _with_doi(sources: Iterable[str]) -> list[str]:
    """An entry for every DOI, with the words before it as they stand in the source."""
    found: dict[str, str] = {}
    for source in sources:
        if match := re.search(r"(?P<words>.*?),? ?\bdoi:(?P<doi>10\.[^\s,;]+)", source):
            found.setdefault(match["doi"], re.sub(r"[{}\\]", "", match["words"]))
    return [
        f"@misc{{{re.sub('[^A-Za-z0-9]+', '-', doi)},\n  note = {{{words}}},\n  doi = {{{doi}}}\n}}\n"
        for doi, words in found.items()
    ]
