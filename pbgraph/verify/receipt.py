"""The receipt of a check: what was checked, what came of it, by which code, where and when."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pbgraph import __version__
from pbgraph.execution.provenance import package_versions, processor, source_tree
from pbgraph.results.folder import ResultsFolder
from pbgraph.verify.findings import Findings
from pbgraph.verify.folder import Held
from pbgraph.verify.reruns import Rerun

FORMAT_VERSION = 2  # 1 had no `wrong`


@dataclass(frozen=True)
class Receipt:
    """What was checked. All is well if nothing is in `wrong`, and all was checked if nothing is in `unchecked`.

    results, content  the folder, and a SHA-256 over the paths and contents of its records
    checked           what was looked at -> how many
    wrong, unchecked  what is wrong, and what could not be checked, in one line each
    draw, reruns      the seed that runs were drawn with, and those that were done again; None and empty without any
    commit, dirty     of pbgraph, as in a record's provenance, and so are the others
    """

    results: str
    content: str
    checked: Mapping[str, int]
    wrong: tuple[str, ...]
    unchecked: tuple[str, ...]
    draw: int | None
    reruns: tuple[Rerun, ...]
    created: str
    pbgraph: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str]
    platform: str
    processor: str
    format: int = FORMAT_VERSION


def receipt_of(
    results: ResultsFolder, held: Held, findings: Findings, *, draw: int | None, reruns: tuple[Rerun, ...]
) -> Receipt:
    """The receipt of what was found by this process, now."""
    commit, dirty = source_tree()
    return Receipt(
        results=str(results.root),
        content=held.content,
        checked=findings.counts,
        wrong=findings.wrong,
        unchecked=findings.unchecked,
        draw=draw,
        reruns=reruns,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pbgraph=__version__,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages=package_versions(),
        platform=platform.platform(),
        processor=processor(),
    )
