"""A small data set for tests: five rows, two tasks."""

from __future__ import annotations

import dataclasses

from pbgraph.datasets.base import Dataset
from pbgraph.datasets.tox21 import TOX21
from pbgraph.files.hashing import sha256

CSV = b"a,b,mol_id,smiles\n0,1,M1,CCO\n,0,M2,c1ccccc1\n1,,M3,[Na+].[Cl-]\n0,0,M4,CC(=O)[O-].[Na+]\n1,1,M5,CC(=O)O\n"


def dataset(content: bytes = CSV, **changes: object) -> Dataset:
    """A data set whose right file is `content`, with no address to fetch it from."""
    facts = {
        "name": "small",
        "file": "small.csv",
        "sha256": sha256(content),
        "urls": (),
        "rows": 5,
        "tasks": ("a", "b"),
    }
    return dataclasses.replace(TOX21, **{**facts, **changes})
