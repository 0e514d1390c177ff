"""Where the file of a data set comes from: found in a folder, or fetched; verified in either case.

Looked for, as `<file>` or `<file>.gz`, in: the folder of ``--data``; the folders of ``$PBGRAPH_DATA``; ``./data``;
``../shared/data``; the user's cache. Else fetched from the data set's public addresses into the user's cache.
"""

from __future__ import annotations

import codecs
import gzip
import http.client
import io
import logging
import os
import urllib.request
import zlib
from pathlib import Path

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.text_table import header_and_rows, text
from pbgraph.errors import DataError
from pbgraph.files.hashing import sha256
from pbgraph.files.locks import cache_folder
from pbgraph.files.writing import replaced_file

log = logging.getLogger(__name__)

MAX_BYTES = 2**28  # of a decompressed file; the largest MoleculeNet table has a third of it
TIMEOUT = 30.0  # seconds without a byte


def search_path(folder: Path | None = None) -> list[Path]:
    """The folders in which data are looked for, in order; `folder` is that of ``--data``."""
    listed = [Path(entry) for entry in os.environ.get("PBGRAPH_DATA", "").split(os.pathsep) if entry]
    first = [] if folder is None else [folder]
    return [*first, *listed, Path("data"), Path("../shared/data"), download_folder()]


def download_folder() -> Path:
    """Where fetched files are kept."""
    return cache_folder() / "data"


def locate(dataset: Dataset, folder: Path | None = None) -> Path | None:
    """The first file of the right name on the search path, its content unread; None if there is none."""
    names = (dataset.file, f"{dataset.file}.gz")
    candidates = (place / name for place in search_path(folder) for name in names)
    return next((path for path in candidates if path.is_file()), None)


def find(dataset: Dataset, *, folder: Path | None = None, offline: bool = False) -> bytes:
    """The verified, decompressed CSV of a data set.

    folder   looked in first; it must exist
    offline  do not fetch
    Raises DataError if the file cannot be had, or if the one that was found is not the right one.
    """
    if folder is not None and not folder.is_dir():
        raise DataError(f"--data {folder} is not a folder; give the folder that holds {dataset.file}")
    if dataset.make is not None:
        return dataset.make(folder, offline)
    path = locate(dataset, folder)
    if path is not None:
        return _read(dataset, path)
    if offline:
        raise DataError(f"{dataset.file} is in none of the usual places. {_three_ways(dataset)}")
    return fetch(dataset)


def fetch(dataset: Dataset) -> bytes:
    """Download a data set, verify it, keep it in the user's cache, and return the decompressed CSV.

    Raises DataError if no address delivers it, or if one delivers something else.
    """
    failures = []
    for url in dataset.urls:
        try:
            content = verified(dataset, decompressed(download(url), url), url)
        except (OSError, DataError) as error:
            log.warning("%s: %s", url, error)
            failures.append(f"{url}: {error}")
            continue
        keep(download_folder() / dataset.file, content)
        return content
    raise DataError(f"{dataset.file} could not be fetched ({'; '.join(failures)}). {_three_ways(dataset)}")


def download(url: str) -> bytes:
    """What an address delivers. Raises OSError or DataError if that is nothing, or too much."""
    log.info("fetching %s", url)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            content: bytes = response.read(MAX_BYTES + 1)
    except http.client.HTTPException as error:
        raise DataError(f"broken answer ({type(error).__name__}: {error})") from error
    return capped(content, url)


def keep(path: Path, content: bytes) -> None:
    """Write a fetched file; if that cannot be done, it costs a warning."""
    try:
        with replaced_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        log.warning("%s cannot be kept (%s): it will be fetched again next time", path, error.strerror)


def _read(dataset: Dataset, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = capped(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable or move it away") from error
    return verified(dataset, decompressed(content, str(path)), str(path))


def decompressed(content: bytes, where: str) -> bytes:
    """Content as it is, or unpacked if it is gzip, whatever it is called.

    Raises DataError if the gzip is damaged or unpacks to more than MAX_BYTES.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return capped(file.read(MAX_BYTES + 1), f"{where}, unpacked,")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} is damaged gzip ({error}); delete it, or supply it anew") from error


def capped(content: bytes, where: str) -> bytes:
    """The content itself; raises DataError if it is longer than MAX_BYTES."""
    if len(content) > MAX_BYTES:
        raise too_long(where)
    return content


def too_long(where: str) -> DataError:
    """The error for what is longer than MAX_BYTES."""
    most = f"{MAX_BYTES / 2**20:g} MiB"
    return DataError(f"{where} has more than {most}, the most that a table may have; supply the right file, or a part")


def verified(dataset: Dataset, content: bytes, where: str) -> bytes:
    """The content itself, if it is that of the data set; else DataError with both hashes."""
    found = sha256(content)
    if found == dataset.sha256:
        return content
    raise DataError(
        f"{where} is not the {dataset.name} file of this benchmark: sha256 of the CSV is {found}, "
        f"expected {dataset.sha256}; {_difference(dataset, content)}. Move it away or replace it"
    )


def _difference(dataset: Dataset, content: bytes) -> str:
    """What makes a file another one, as far as it can be told."""
    plain = content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for ends in (b"\n", b"\r\n"):
        for last in (b"", ends):
            if sha256(plain.rstrip(b"\n").replace(b"\n", ends) + last) == dataset.sha256:
                return (
                    "its cells are the right ones, but its line ends are not, or the mark at its start: a program or a "
                    "transfer as text has changed them; copy it anew, as binary"
                )
    rows = _rows(content)
    if rows in dataset.lookalikes:
        return f"it has {rows} rows, so it is {dataset.lookalikes[rows]}"
    if rows == dataset.rows:
        return f"it has {rows} rows, as it should, but other cells or another way of writing them"
    return f"it has {rows} rows, expected {dataset.rows}"


def _rows(content: bytes) -> int:
    """Rows under the header of a table in text, blank lines left out; 0 for what is no table."""
    try:
        _, rows = header_and_rows(text(content, "it", warn=len), "it", warn=len)
        return sum(bool(cells) for _, cells in rows)
    except DataError:
        return 0


def _three_ways(dataset: Dataset) -> str:
    return (
        f"Supply it in one of three ways: (1) --data DIR, a folder with {dataset.file} or {dataset.file}.gz; "
        "(2) PBGRAPH_DATA=DIR in the environment; (3) with network access, 'python -m pbgraph.bench data fetch "
        f"{dataset.name}'"
    )
