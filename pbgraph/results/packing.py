"""A results folder as one zip archive, which `pbgraph.results.merging` takes: to be sent, published, or submitted.

The same folder gives the same bytes, whatever the times of its files; what stands beside the runs is the caller's.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pbgraph.errors import DataError
from pbgraph.files.reading import UnreadableError
from pbgraph.files.writing import replaced_file
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.sources import Folder

EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip archive can say
MODELS = "models/"


def pack(results: ResultsFolder, path: Path, others: Mapping[str, bytes], *, models: bool = False) -> list[str]:
    """Write all files of runs, plans, descriptions and searches to an archive; returns their names.

    others  name -> content of what stands beside them
    models  whether trained models come along, which are large
    Raises DataError if one cannot be read; then nothing is written.
    """
    source = Folder(results.root)
    names = sorted(name for name in source.names if models or not name.startswith(MODELS))
    with replaced_file(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, content in sorted(others.items()):
            archive.writestr(_member(name), content)
        for name in names:
            try:
                with source.opened(name) as file, archive.open(_member(name), "w", force_zip64=True) as target:
                    shutil.copyfileobj(file, target)
            except UnreadableError as error:
                raise DataError(f"{results.root / name} cannot be read: {error}; restore it") from error
    return names


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info
