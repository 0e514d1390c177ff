"""240 made-up molecules, in a file of this package: chains with a head and a tail.

Task a asks for nitrogen, task b for a chain of even length, with every seventh cell blank. Of task `never` every label
is 0, so that no run on `toy-hopeless` can be scored. `toy-alcohols` is read in a way of its own, from no file at all.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pbgraph.datasets.base import Dataset
from pbgraph.molecules import Molecules

TOY = Dataset(
    name="toy",
    version=1,
    file="toy.csv",
    sha256="c28f21476f299530f21db463931294e9379f0f81cc35c711dab259757215c937",
    urls=(Path(__file__).with_name("toy.csv").as_uri(),),
    rows=240,
    tasks=("a", "b"),
    smiles_column="smiles",
    id_column="mol_id",
    metric="roc_auc",
    split="random",
    licence="public domain",
    defects={"blank cells, not measured": 35},
    source="made up",
)
HOPELESS = replace(TOY, name="toy-hopeless", tasks=("never",))


def alcohols(folder: Path | None) -> Molecules:
    """60 chains, every second of which is an alcohol; no file is needed, so that `folder` plays no part."""
    smiles = tuple("C" * (row // 2 + 1) + "ON"[row % 2] for row in range(60))
    return Molecules(
        dataset="toy-alcohols",
        sha256="",
        tasks=("alcohol",),
        mol_ids=smiles,
        smiles=smiles,
        rows=np.arange(60),
        y=np.array([[float(text.endswith("O"))] for text in smiles], dtype=np.float32),
        rejected=(),
    )


ALCOHOLS = replace(
    TOY,
    name="toy-alcohols",
    file="",
    sha256="",
    urls=(),
    rows=0,
    tasks=("alcohol",),
    defects={},
    load=alcohols,
)
