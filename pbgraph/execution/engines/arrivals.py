"""What Ray nodes send of runs that are done: checked at the driver as results of another machine, and written there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pbgraph.execution.engines.ray_node import Outcome
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.merging import adopt, staged_run
from pbgraph.results.records import RunRecord


class Arrivals:
    """A folder through which files come into the results folder; it is on the same file system."""

    def __init__(self, folder: Path) -> None:
        self._staged = ResultsFolder(folder)

    def written(self, outcome: Outcome, results: ResultsFolder) -> RunRecord:
        """The record that stands for this run now. Raises DataError if what was sent is not whole."""
        source, name = _Delivered(f"node {outcome.host}", outcome.files), next(iter(outcome.files))
        try:
            candidate = staged_run(source, name, list(outcome.files), staged=self._staged)
            if candidate.record.status == "failed":
                return results.write_first(candidate.record)
            return adopt(candidate, results)
        finally:
            for sent in outcome.files:
                (self._staged.root / sent).unlink(missing_ok=True)


class _Delivered:
    """Files that a node has sent, as results of another machine."""

    def __init__(self, name: str, files: Mapping[str, bytes]) -> None:
        self.name, self.names, self._files = name, frozenset(files), files

    def opened(self, name: str) -> IO[bytes]:
        """One of them."""
        return io.BytesIO(self._files[name])
