"""DeepChem, imported only when something of it is asked for, and kept quiet; molecules as its data sets.

It is the extra ``deepchem``, version 2.8.0, for Python before 3.12. Its MolNet loaders are tasks
(`pbgraph.deepchem.datasets`), its splitters are splits (`pbgraph.deepchem.splits`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from pbgraph.errors import UsageError, not_installed
from pbgraph.molecules import Molecules


def deepchem_version(what: str) -> str:
    """The installed version; imports nothing. Raises UsageError, saying that `what` needs it, if there is none."""
    try:
        return version("deepchem")
    except PackageNotFoundError:
        raise UsageError(f"{what}: {not_installed('deepchem', 'deepchem')}, with Python 3.11") from None


@contextmanager
def quiet() -> Iterator[Any]:
    """Import DeepChem, for a time without its log, its warnings, what it prints, and RDKit's lines."""
    deepchem_version("what was asked for")
    from rdkit import rdBase

    disabled, state = logging.root.manager.disable, np.random.get_state()  # noqa: NPY002
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()), catch_warnings(), rdBase.BlockLogs():
            simplefilter("ignore")
            import deepchem

            yield deepchem
    finally:
        logging.disable(disabled)
        np.random.set_state(state)  # noqa: NPY002  # its splitters seed the one generator of all


def to_deepchem(molecules: Molecules, features: np.ndarray | None = None) -> Any:
    """The molecules as a DeepChem ``NumpyDataset``.

    molecules  e.g. ``load(DATASETS.get("tox21"))``
    features   (n, ...) of the molecules; their SMILES unless given
    X is the features, y (n, T) the labels with 0 where nothing was measured, w (n, T) 1 where it was and 0 elsewhere,
    and ids the SMILES, which DeepChem's splitters read. Raises UsageError if DeepChem is not installed.
    """
    smiles, measured = np.array(molecules.smiles, dtype=object), ~np.isnan(molecules.y)
    with quiet() as dc:
        return dc.data.NumpyDataset(
            X=smiles if features is None else features,
            y=np.where(measured, molecules.y, 0.0).astype(np.float64),
            w=measured.astype(np.float64),
            ids=smiles,
        )
