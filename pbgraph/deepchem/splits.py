"""Splits ``deepchem:NAME``: DeepChem's own splitters, at 80/10/10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import msgspec

from pbgraph.deepchem import deepchem_version, quiet, to_deepchem
from pbgraph.errors import unknown_name
from pbgraph.files.cache import cached
from pbgraph.files.hashing import sha256
from pbgraph.molecules import Molecules
from pbgraph.registry import Namespace
from pbgraph.splits.base import TRAIN, VALID, Split, Splitter
from pbgraph.structures.smiles import structures_key, unmapped

VERSION = 1
SPLITTERS: Mapping[str, tuple[str, bool]] = {  # name -> class, and whether its seed matters
    "butina": ("ButinaSplitter", False),
    "fingerprint": ("FingerprintSplitter", False),
    "index": ("IndexSplitter", False),
    "max-min": ("MaxMinSplitter", True),
    "molecular-weight": ("MolecularWeightSplitter", False),
    "random": ("RandomSplitter", True),
    "random-stratified": ("RandomStratifiedSplitter", True),
    "scaffold": ("ScaffoldSplitter", False),
}


def resolve(name: str) -> Splitter:
    """The splitter ``deepchem:NAME``. Raises UsageError for an unknown name, or if DeepChem is not installed.

    Left out are the splitters that need more than molecules, and SingletaskStratifiedSplitter, which loses rows.
    """
    if name not in SPLITTERS:
        raise unknown_name("splitter of DeepChem", name, SPLITTERS)
    installed, (class_name, seeded) = deepchem_version(f"split deepchem:{name}"), SPLITTERS[name]
    return Splitter(
        name=f"deepchem:{name}",
        version=VERSION,
        seeded=seeded,
        split=partial(split, name),
        source=f"DeepChem {installed}, dc.splits.{class_name}",
    )


def split(name: str, molecules: Molecules, seed: int | None) -> Split:
    """What the splitter makes of the molecules, in its order; kept in the cache. Raises UsageError as any split."""
    mine = resolve(name)
    if mine.seeded:
        mine.needed(seed)
    else:
        mine.refuse(seed)
    key = {"version": VERSION, "by": mine.source, "seed": seed, **structures_key(molecules.smiles)}
    key["labels"] = sha256(molecules.y.tobytes())
    content = cached(f"{molecules.dataset}-split-deepchem-{name}", key, lambda: _parts(name, molecules, seed))
    return mine.parts(*msgspec.json.decode(content, type=tuple[list[int], list[int], list[int]]))


def _parts(name: str, molecules: Molecules, seed: int | None) -> bytes:
    data = to_deepchem(replace(molecules, smiles=tuple(map(unmapped, molecules.smiles))))
    with quiet() as dc:
        splitter = getattr(dc.splits, SPLITTERS[name][0])()
        shares = {"frac_train": TRAIN, "frac_valid": VALID, "frac_test": 1 - TRAIN - VALID}
        parts = splitter.split(data, **shares, seed=seed)
    return msgspec.json.encode([[int(row) for row in part] for part in parts])


DEEPCHEM: Namespace[Splitter] = Namespace(
    version=VERSION,
    resolve=resolve,
    source=f"DeepChem 2.8.0: {', '.join(SPLITTERS)}; extra 'deepchem'",
    package="deepchem",
)
