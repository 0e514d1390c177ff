"""What runs on another machine need beside their specs: the data and the features, as files, unpacked once per machine.

    <temporary folder>/pbgraph-ray-<user>/parcels/<digest>/data/    looked in first for data
    <temporary folder>/pbgraph-ray-<user>/parcels/<digest>/cache/   the cache of the processes there
    <temporary folder>/pbgraph-ray-<user>/results/<versions>/       where runs write, until their records are fetched,
                                                                    and what controls are paired with, meanwhile

A parcel is made by who knows the data; unpacking it takes no more than its bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pbgraph.files.hashing import canonical_json, sha256
from pbgraph.files.locks import exclusive, private_folder
from pbgraph.files.writing import new_folder

if TYPE_CHECKING:
    from pbgraph.execution.engines.schedule import Work
    from pbgraph.execution.options import RunOptions

Parcel = Mapping[str, bytes]
TABLE = "table.json"  # the description of a table of the user's


def packed(work: Work, options: RunOptions) -> Parcel:
    """The data of a plan and the features of all its runs; a data set that loads itself is loaded where it is needed.

    Raises DataError if they cannot be had.
    """
    import msgspec

    from pbgraph.datasets.base import DATASETS
    from pbgraph.datasets.load import load
    from pbgraph.datasets.source import find
    from pbgraph.execution.origins import code_of
    from pbgraph.features.base import FEATURISERS
    from pbgraph.features.stored import featurised, stored_files
    from pbgraph.results.described import dataset_of, user_table
    from pbgraph.results.folder import ResultsFolder

    results, task = ResultsFolder(options.results), work.plan.task
    dataset = dataset_of(task, results)
    if dataset.load is not None:
        return {}
    molecules = load(dataset, folder=options.data, offline=options.offline)
    parcel = {f"data/{dataset.file}": find(dataset, folder=options.data, offline=options.offline)}
    if task not in DATASETS:
        parcel[TABLE] = msgspec.json.encode(user_table(task, results))
    code: Callable[[str], str] = partial(code_of, "featuriser")
    for name in dict.fromkeys(spec.featuriser for spec in work.todo):
        featurised(FEATURISERS.get(name), molecules, code=code)
        for path in stored_files(FEATURISERS.get(name), molecules, code=code):
            if path.exists():
                parcel[f"cache/{path.name}"] = path.read_bytes()
    return parcel


def digest_of(parcel: Parcel) -> str:
    """By which a parcel is known."""
    return sha256(canonical_json({name: sha256(content) for name, content in parcel.items()}))[:16]


def machine_folder() -> Path:
    """This user's folder on this machine. Raises OSError if others can write to it."""
    return private_folder(Path(tempfile.gettempdir()) / f"pbgraph-ray-{os.getuid()}")


def unpacked(digest: str, fetch: Callable[[], Parcel]) -> Path:
    """The folder of a parcel, fetched and unpacked if this machine does not have it. Raises OSError.

    fetch  gives the parcel; called by one process, while others wait for it
    """
    parcels = machine_folder() / "parcels"
    folder = parcels / digest
    if not folder.exists():
        parcels.mkdir(exist_ok=True)
        with exclusive(parcels / f"{digest}.lock"):
            if not folder.exists():
                _unpack(fetch(), folder)
    return folder


def _unpack(parcel: Parcel, folder: Path) -> None:
    with new_folder(folder) as part:
        for kind in ("data", "cache"):
            (part / kind).mkdir()
        for name, content in parcel.items():
            (part / name).write_bytes(content)
