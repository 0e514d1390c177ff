"""Saved states of runs in a place that outlives the machine: a shared folder, or an object store, by fsspec."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from pbgraph.errors import UsageError, lines_of
from pbgraph.results.folder import WORK, ResultsFolder


class Checkpoints:
    """The saved states under an address, such as ``/shared/states``, ``s3://bucket/states`` or ``gs://bucket/states``.

    Raises UsageError if fsspec knows nothing of that kind here.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.address = address
        try:
            self._system, root = fsspec.core.url_to_fs(address)
            self._root = PurePosixPath(root)
            self._system.makedirs(root, exist_ok=True)
        except Exception as error:  # of any kind: each store has its own
            raise UsageError(
                f"--checkpoints {address}: cannot be used: {lines_of(error)[0]:.300}; give a folder that all nodes "
                "share, or the address of a store for which the package of fsspec is installed"
            ) from error
        self._saved: dict[str, int] = {}

    def restore(self, key: str, results: ResultsFolder) -> None:
        """Fetch the state of a run, unless this machine has one of its own. Raises OSError."""
        if results.saved_state(key):
            return
        folder = results.root / WORK
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._names(key):
            part = folder / f".{name}.fetched.part"
            self._system.get_file(str(self._root / name), str(part))
            part.replace(folder / name)

    def save(self, key: str, results: ResultsFolder) -> None:
        """Keep the state of a run, if there is a new one. Raises OSError."""
        for path in results.saved_state(key):
            with suppress(FileNotFoundError):  # the run was over in this very moment
                changed = path.stat().st_mtime_ns
                if self._saved.get(path.name) != changed:
                    self._system.put_file(str(path), str(self._root / f"{path.name}.part"))
                    self._system.mv(str(self._root / f"{path.name}.part"), str(self._root / path.name))
                    self._saved[path.name] = changed

    def drop(self, key: str) -> None:
        """Delete the state of a run that is over. Raises OSError."""
        for name in self._names(key):
            self._system.rm_file(str(self._root / name))

    def _names(self, key: str) -> list[str]:
        found: list[Any] = self._system.glob(str(self._root / f"{key}.*safetensors"))
        return [PurePosixPath(str(path)).name for path in found]
