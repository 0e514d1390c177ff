"""Tasks ``deepchem:NAME``: the tables that DeepChem's MolNet loaders ``dc.molnet.load_NAME`` read.

DeepChem reads its file, without featuriser, split or transformer; what it says becomes a CSV that is read like any
other: its SMILES go through our featurisers, and rows that RDKit rejects are counted and named, which DeepChem does
not do. A blank label is one that DeepChem gives the weight 0. The file a loader wants is looked for as for any data
set, and fetched from DeepChem's address otherwise. Once read, a table comes from the cache, without DeepChem.
"""

from __future__ import annotations

import csv
import gzip
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.source import decompressed, download, download_folder, keep, search_path
from pbgraph.deepchem import deepchem_version, quiet
from pbgraph.errors import DataError, UsageError, unknown_name
from pbgraph.files.cache import cached
from pbgraph.files.hashing import Scalar, sha256
from pbgraph.registry import Namespace

VERSION = 1  # of the CSV that is made of what a loader gives
METRICS = {"balancing": "roc_auc"}  # the loader's own transformer, which it has for classes -> metric; else RMSE


@dataclass(frozen=True)
class Facts:
    """What a loader says before it has read anything: its tasks, and by its defaults, the metric and the split."""

    tasks: tuple[str, ...]
    metric: str
    split: str


@dataclass
class Files:
    """Takes the place of DeepChem's download function: finds a file on our search path, or else fetches and keeps it.

    urls  what was asked for
    """

    folder: Path | None
    offline: bool
    urls: list[str] = field(default_factory=list)

    def __call__(self, url: str, dest_dir: str, name: str | None = None) -> None:
        """Put the file of an address where a loader wants it, compressed if it is to be."""
        self.urls.append(url)
        path = Path(dest_dir) / (name or _file_name(url))
        path.write_bytes(gzip.compress(self.content(url)) if path.name.endswith(".csv.gz") else self.content(url))

    def content(self, url: str) -> bytes:
        """The file, a CSV decompressed. Raises DataError if it cannot be had."""
        name = _file_name(url)
        names = [name.removesuffix(".gz"), f"{name.removesuffix('.gz')}.gz"] if _is_csv(name) else [name]
        found = (place / one for place in search_path(self.folder) for one in names)
        path = next((path for path in found if path.is_file()), None)
        if path is None and self.offline:
            raise DataError(
                f"{name} is in none of the usual places: supply it with --data DIR or PBGRAPH_DATA=DIR, or have it "
                f"fetched from {url}, with network access, by 'python -m pbgraph.bench data fetch TASK'"
            )
        content = download(url) if path is None else path.read_bytes()
        if path is None:
            keep(download_folder() / name, content)
        return decompressed(content, name) if _is_csv(name) else content


def resolve(name: str) -> Dataset:
    """The data set ``deepchem:NAME``; its file is not read before it is wanted.

    Raises UsageError if DeepChem is not installed, has no such loader, or loads no molecules with it.
    """
    key: dict[str, Scalar] = {"deepchem": deepchem_version(f"task deepchem:{name}"), "version": VERSION}
    facts = msgspec.json.decode(cached(f"deepchem-{name}-facts", key, lambda: _facts(name)), type=Facts)
    return Dataset(
        name=f"deepchem:{name}",
        version=VERSION,
        file=f"deepchem-{name}.csv",
        sha256="",
        urls=(),
        rows=0,
        tasks=facts.tasks,
        smiles_column="smiles",
        id_column="mol_id",
        metric=facts.metric,
        split=facts.split,
        licence="see dc.molnet and doi:10.1039/C7SC02664A",
        defects={},
        source=f"DeepChem {key['deepchem']}, dc.molnet.load_{name}",
        make=partial(table, name),
    )


def table(name: str, folder: Path | None, offline: bool) -> bytes:
    """What a loader reads, as a CSV with the columns mol_id (number of the row), smiles and the tasks.

    folder   looked in first for the loader's file (``--data``)
    offline  do not fetch
    Raises DataError if the file cannot be had, or holds no molecules.
    """
    key: dict[str, Scalar] = {"deepchem": deepchem_version(f"task deepchem:{name}"), "version": VERSION}
    read = lru_cache(maxsize=1)(lambda: _read(name, Files(folder, offline)))
    listed = cached(f"deepchem-{name}-urls", key, lambda: msgspec.json.encode(read()[1]))
    urls = msgspec.json.decode(listed, type=list[str])
    content = {url: sha256(Files(folder, offline).content(url)) for url in urls}
    return cached(f"deepchem-{name}", {**key, **content}, lambda: read()[0])


def _facts(name: str) -> bytes:
    with quiet() as dc:
        parameters = inspect.signature(_function(dc, name)).parameters
        transformers, splitter = (parameters[option].default for option in ("transformers", "splitter"))
        tasks = tuple(_loader(dc, name, Path(), featurizer=None).tasks)
    metric = METRICS.get(transformers[0] if transformers else "", "rmse")
    return msgspec.json.encode(Facts(tasks, metric, "scaffold" if splitter == "scaffold" else "random"))


def _function(dc: Any, name: str) -> Callable[..., Any]:
    functions = inspect.getmembers(dc.molnet, inspect.isfunction)
    known = {found.removeprefix("load_"): function for found, function in functions if found.startswith("load_")}
    if name not in known:
        raise unknown_name("data set of DeepChem", name, known)
    if not {"featurizer", "transformers", "splitter", "data_dir"} <= set(inspect.signature(known[name]).parameters):
        raise UsageError(f"dc.molnet.load_{name} loads no molecules; choose another, e.g. deepchem:tox21")
    return known[name]


def _loader(dc: Any, name: str, folder: Path, *, featurizer: Any) -> Any:
    """The loader's own object, caught when it is told to load: only that has a table without a split."""
    from deepchem.molnet.load_function.molnet_loader import _MolnetLoader

    options: dict[str, Any] = {"splitter": None, "transformers": [], "data_dir": str(folder), "save_dir": str(folder)}
    with patch.object(_MolnetLoader, "load_dataset", lambda loader, *_: loader):
        return _function(dc, name)(featurizer=featurizer, **options)


def _read(name: str, files: Files) -> tuple[bytes, list[str]]:
    """The CSV, and the addresses of the files it was made of."""
    with TemporaryDirectory() as folder, quiet() as dc:
        from rdkit import Chem

        class Smiles(dc.feat.Featurizer):  # type: ignore[misc, name-defined]
            def _featurize(self, datapoint: Any, **_: Any) -> str:
                return datapoint if isinstance(datapoint, str) else Chem.MolToSmiles(datapoint)

        loader = _loader(dc, name, Path(folder), featurizer=Smiles())
        with patch("deepchem.utils.data_utils.download_url", files), patch("deepchem.utils.download_url", files):
            smiles, y, w = _arrays(name, loader, files)
    if smiles.dtype.kind not in "UO" or not all(isinstance(text, str) for text in smiles):
        raise DataError(f"dc.molnet.load_{name} reads no molecules; choose another, e.g. deepchem:tox21")
    return _csv(loader.tasks, smiles, np.where(w == 0, np.nan, y).reshape(len(smiles), -1)), files.urls


def _arrays(name: str, loader: Any, files: Files) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the loader reads: structures (n,), labels and weights (n, T). Raises DataError if it cannot."""
    try:
        data = loader.create_dataset()
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"dc.molnet.load_{name} cannot read {', '.join(map(_file_name, files.urls))} "
            f"({type(error).__name__}: {error}): it wants the content of {', '.join(files.urls)}, and under that name "
            "another was found; move it away, or supply the right one with --data DIR"
        ) from error
    return data.X, data.y, data.w


def _csv(tasks: list[str], smiles: np.ndarray, y: np.ndarray) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["mol_id", "smiles", *tasks])
    for row, (structure, labels) in enumerate(zip(smiles, y.tolist(), strict=True)):
        writer.writerow([row, structure, *("" if label != label else repr(label) for label in labels)])
    return text.getvalue().encode()


def _file_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _is_csv(name: str) -> bool:
    return name.endswith((".csv", ".csv.gz"))


DEEPCHEM: Namespace[Dataset] = Namespace(
    version=VERSION,
    resolve=resolve,
    source="any MolNet loader of DeepChem 2.8.0, e.g. deepchem:tox21; extra 'deepchem'",
    package="deepchem",
)
