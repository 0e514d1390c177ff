"""The lines of every file of trials: each one whole and sound by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pbgraph.files.reading import UnreadableError
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.tuning import read_trials, trials_files, wrong_lines
from pbgraph.verify.findings import Findings, findings, guarded


def check_trials(results: ResultsFolder) -> Findings:
    """What searches have left; a folder without any is not spoken of."""
    paths = trials_files(results.root)
    wrong = [line for path in paths for line in guarded(path, _wrong, path)]
    return findings({"trials": sum(map(_count, paths))} if paths else {}, wrong)


def _wrong(path: Path) -> Iterator[str]:
    try:
        for line in wrong_lines(path):
            yield f"{path}, {line}; take the line out, and the search does the trial again"
    except UnreadableError as error:
        yield f"{path} cannot be read: {error}"


def _count(path: Path) -> int:
    try:
        return len(read_trials(path))
    except UnreadableError:
        return 0
