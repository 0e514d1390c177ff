"""Which molecules are for training, validation and test: exact, versioned functions.

Every split takes 80 % for training, 10 % for validation and the rest for test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from pbgraph.datasets.base import Molecules
from pbgraph.errors import UsageError
from pbgraph.features.cache import cached, structures_key
from pbgraph.features.parallel import in_parts
from pbgraph.features.smiles import parsed
from pbgraph.records import sha256
from pbgraph.registry import Registry

TRAIN, VALID = 0.8, 0.1
SECONDS_EACH = 0.0003  # that the scaffold of a molecule takes


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of molecules, as (n,) int64 numbers of accepted rows; together they are all rows."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray

    @property
    def sha256(self) -> str:
        """Of the sizes of the three arrays and their entries in order, as little-endian 64-bit integers."""
        parts = (self.train, self.valid, self.test)
        sizes = np.array([len(part) for part in parts])
        return sha256(np.concatenate([sizes, *parts]).astype("<i8").tobytes())


@dataclass(frozen=True)
class Splitter:
    """A way to split.

    name     as registered
    version  raise it when the same molecules and seed would be split differently
    seeded   whether it takes a seed
    split    (molecules, seed or None) -> Split; raises UsageError for a seed too many or missing
    source   paper or code that defines it
    """

    name: str
    version: int
    seeded: bool
    split: Callable[[Molecules, int | None], Split]
    source: str


def random(molecules: Molecules, seed: int | None) -> Split:
    """A seeded permutation, cut at int(0.8 n) and again int(0.1 n) further; the order is kept.

    The TrimNet authors' own split for the same seed. Raises UsageError without a seed.
    """
    import torch

    if seed is None:
        raise UsageError("split 'random' needs a seed, e.g. --seeds 68")
    n = len(molecules)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    train, valid = int(TRAIN * n), int(VALID * n)
    return Split(order[:train], order[train : train + valid], order[train + valid :])


def scaffold(molecules: Molecules, seed: int | None = None) -> Split:
    """Bemis-Murcko scaffolds, largest group first, each whole group into the first of train, valid, test it fits in.

    Groups of one size go by their first row, the later one first, as in DeepChem 2.8.0's ScaffoldSplitter; molecules
    without a ring are one group. The three parts are sorted. Raises UsageError if given a seed.
    """
    if seed is not None:
        raise UsageError(f"split 'scaffold' is deterministic and takes no seed, but got {seed}; leave the seed out")
    n = len(molecules)
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for group in _by_size(_scaffolds(molecules)):
        if len(train) + len(group) <= TRAIN * n:
            train += group
        elif len(train) + len(valid) + len(group) <= (TRAIN + VALID) * n:
            valid += group
        else:
            test += group
    return Split(*(np.array(sorted(part), dtype=np.int64) for part in (train, valid, test)))


def _by_size(scaffolds: Sequence[str]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for row, smiles in enumerate(scaffolds):
        groups.setdefault(smiles, []).append(row)
    return sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True)


def _scaffolds(molecules: Molecules) -> list[str]:
    """The scaffold of each molecule as SMILES without chirality, "" without rings; kept in the cache."""
    key = {"version": SCAFFOLD.version, **structures_key(molecules.smiles)}
    content = cached(f"{molecules.dataset}-scaffolds", key, lambda: _murcko_all(molecules.smiles))
    return msgspec.json.decode(content, type=list[str])


def _murcko_all(smiles: Sequence[str]) -> bytes:
    parts = in_parts(_murcko, smiles, seconds_each=SECONDS_EACH)
    return msgspec.json.encode([scaffold for part in parts for scaffold in part])


def _murcko(smiles: Sequence[str], first: int) -> list[str]:
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    return [
        str(MurckoScaffoldSmiles(mol=molecule, includeChirality=False))  # type: ignore[no-untyped-call]
        for molecule in parsed(smiles, first)
    ]


RANDOM = Splitter(
    name="random",
    version=1,
    seeded=True,
    split=random,
    source="Li et al. 2021, doi:10.1093/bib/bbaa266 (TrimNet), as coded in yvquanli/TrimNet@147ca4d",
)

SCAFFOLD = Splitter(
    name="scaffold",
    version=1,
    seeded=False,
    split=scaffold,
    source="Bemis & Murcko 1996, doi:10.1021/jm9602928; DeepChem 2.8.0 ScaffoldSplitter",
)

SPLITS: Registry[Splitter] = Registry("split", "pbgraph.splits", Splitter)
