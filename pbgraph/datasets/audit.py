"""What is in a table of molecules: labels, salts, near-duplicates, contradictions, leakage between splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from pbgraph.datasets.base import Dataset, Molecules
from pbgraph.features.cache import cached, structures_key
from pbgraph.features.smiles import parsed
from pbgraph.records import Rejected

VERSION = 1  # of `Structure`


@dataclass(frozen=True)
class Structure:
    """What a SMILES says of one row.

    parent     first block of the InChIKey of the largest fragment (most heavy atoms, the first of equals): the same for
               salts, stereoisomers and isotopes of one compound; the SMILES itself where InChI fails
    fragments  disconnected parts
    bonds      between heavy atoms
    """

    parent: str
    fragments: int
    bonds: int


@dataclass(frozen=True)
class TaskFacts:
    """How many rows of a task are measured, and how many of these are active; None for a regression task."""

    task: str
    labelled: int
    active: int | None


@dataclass(frozen=True)
class Leakage:
    """Parents on both sides of a split: how many, and how many test rows they reach."""

    parents: int
    test_rows: int


@dataclass(frozen=True)
class Audit:
    """Facts about a data set. All but `rows` and `rejected` count accepted rows alone.

    rows               of the file
    labelled           measured cells; blank cells are `accepted` x tasks - `labelled`
    blank_rows         accepted rows without any label
    sharing_rows       rows whose parent occurs in another row too
    repeated_cells     (parent, task) pairs measured in more than one row
    conflicting_cells  those of them with different labels
    leakage            None if no split was asked about
    """

    dataset: str
    rows: int
    rejected: tuple[Rejected, ...]
    accepted: int
    tasks: tuple[TaskFacts, ...]
    labelled: int
    blank_rows: int
    multi_fragment: int
    bond_free: int
    parents: int
    sharing_rows: int
    repeated_cells: int
    conflicting_cells: int
    leakage: Leakage | None


class TrainTest(Protocol):
    """The part of `splits.Split` that leakage is about: (n,) numbers of accepted rows."""

    @property
    def train(self) -> np.ndarray:
        """Training rows."""
        ...

    @property
    def test(self) -> np.ndarray:
        """Test rows."""
        ...


def audit(dataset: Dataset, molecules: Molecules, split: TrainTest | None = None) -> Audit:
    """Measure the facts about a data set, and the leakage of a split if one is given.

    For Tox21 two kinds of numbers differ from those stated in `datasets.tox21`, which count all 7,831 rows of the file.
    Here the 8 rows that RDKit rejects are left out: one of them is multi-fragment (244, not 245), and they hold
    82 of the 77,946 labels, 4 of them active. Parents can only be had from parsed structures, so those numbers agree.
    """
    structures = describe(molecules)
    parents = np.unique([s.parent for s in structures], return_inverse=True)[1]
    repeated, conflicting = _cells(parents, molecules.y)
    measured = ~np.isnan(molecules.y)
    return Audit(
        dataset=dataset.name,
        rows=len(molecules) + len(molecules.rejected),
        rejected=molecules.rejected,
        accepted=len(molecules),
        tasks=task_facts(dataset, molecules.y),
        labelled=int(measured.sum()),
        blank_rows=int((~measured.any(axis=1)).sum()),
        multi_fragment=sum(s.fragments > 1 for s in structures),
        bond_free=sum(s.bonds == 0 for s in structures),
        parents=len(np.unique(parents)),
        sharing_rows=int((np.bincount(parents)[parents] > 1).sum()),
        repeated_cells=repeated,
        conflicting_cells=conflicting,
        leakage=None if split is None else leakage(parents, split),
    )


def task_facts(dataset: Dataset, y: np.ndarray) -> tuple[TaskFacts, ...]:
    """Labelled and active rows of each task; y (n, T), NaN = not measured."""
    labelled, active = (~np.isnan(y)).sum(axis=0).tolist(), (y == 1).sum(axis=0).tolist()
    counted = active if dataset.kind == "classification" else [None] * len(active)
    return tuple(TaskFacts(*facts) for facts in zip(dataset.tasks, labelled, counted, strict=True))


def leakage(parents: np.ndarray, split: TrainTest) -> Leakage:
    """Which parents occur in both training and test rows; parents (n,), equal for rows of one compound."""
    shared = np.intersect1d(parents[split.train], parents[split.test])
    return Leakage(parents=len(shared), test_rows=int(np.isin(parents[split.test], shared).sum()))


def describe(molecules: Molecules) -> list[Structure]:
    """The structure facts of every accepted row, in order; kept in the cache, since InChI takes seconds."""
    key = {"version": VERSION, **structures_key(molecules.smiles)}
    content = cached(
        f"{molecules.dataset}-structures",
        key,
        lambda: msgspec.json.encode(
            [_structure(*pair) for pair in zip(molecules.smiles, parsed(molecules.smiles), strict=True)]
        ),
    )
    return msgspec.json.decode(content, type=list[Structure])


def _structure(smiles: str, molecule: Any) -> Structure:
    from rdkit import Chem

    fragments = Chem.GetMolFrags(molecule, asMols=True)
    largest = max(fragments, key=lambda fragment: fragment.GetNumHeavyAtoms())
    key = Chem.MolToInchiKey(largest)  # type: ignore[no-untyped-call]
    return Structure(parent=key[:14] or smiles, fragments=len(fragments), bonds=molecule.GetNumBonds())


def _cells(parents: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """Numbers of (parent, task) cells measured more than once, and of those with different labels."""
    cells = (int(parents.max(initial=-1)) + 1, y.shape[1])
    counts, low, high = np.zeros(cells, dtype=np.int64), np.full(cells, np.inf), np.full(cells, -np.inf)
    np.add.at(counts, parents, ~np.isnan(y))
    np.fmin.at(low, parents, y)
    np.fmax.at(high, parents, y)
    return int((counts > 1).sum()), int(((counts > 1) & (low < high)).sum())
