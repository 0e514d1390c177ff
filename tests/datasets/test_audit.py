"""The facts about Tox21 as stated, and the audit's rules on a table small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pbgraph.datasets.load as load
from pbgraph.datasets.audit import Leakage, TaskFacts, audit, task_facts
from pbgraph.datasets.base import Molecules
from pbgraph.datasets.source import find
from pbgraph.datasets.tox21 import TOX21
from pbgraph.splits import RANDOM, Split
from small_dataset import CSV, dataset

LABELLED_AND_ACTIVE = {
    "NR-AR": (7265, 309),
    "NR-AR-LBD": (6758, 237),
    "NR-AhR": (6549, 768),
    "NR-Aromatase": (5821, 300),
    "NR-ER": (6193, 793),
    "NR-ER-LBD": (6955, 350),
    "NR-PPAR-gamma": (6450, 186),
    "SR-ARE": (5832, 942),
    "SR-ATAD5": (7072, 264),
    "SR-HSE": (6467, 372),
    "SR-MMP": (5810, 918),
    "SR-p53": (6774, 423),
}


def test_a_table_counted_by_hand() -> None:
    split = Split(train=np.array([0, 1, 4]), valid=np.array([2]), test=np.array([3]))
    facts = audit(dataset(), load.read(dataset(), CSV), split)
    assert facts.tasks == (TaskFacts("a", 4, 2), TaskFacts("b", 4, 2))
    assert (facts.rows, facts.accepted, facts.labelled, facts.blank_rows) == (5, 5, 8, 0)
    assert (facts.multi_fragment, facts.bond_free) == (2, 1)
    assert (facts.parents, facts.sharing_rows) == (4, 2)  # sodium acetate and acetic acid
    assert (facts.repeated_cells, facts.conflicting_cells) == (2, 2)
    assert facts.leakage == Leakage(parents=1, test_rows=1)


def test_labels_of_the_whole_tox21_file_are_those_stated(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_bad_structures", lambda *_: {})  # count the rows that RDKit rejects, too
    y = load.read(TOX21, find(TOX21, folder=shared / "data", offline=True)).y
    assert {fact.task: (fact.labelled, fact.active) for fact in task_facts(TOX21, y)} == LABELLED_AND_ACTIVE
    assert (len(y), int((~np.isnan(y)).sum()), int(np.isnan(y).sum())) == (7831, 77_946, 16_026)
    assert bool((~np.isnan(y)).any(axis=1).all())


def test_structures_of_tox21_are_those_stated(tox21: Molecules) -> None:
    facts = audit(TOX21, tox21, RANDOM.split(tox21, 68))
    assert (facts.rows, facts.accepted, len(facts.rejected)) == (7831, 7823, 8)
    assert all("Al, 6, is greater than permitted" in row.reason for row in facts.rejected)
    assert (facts.parents, facts.sharing_rows) == (7484, 600)
    assert (facts.repeated_cells, facts.conflicting_cells) == (2527, 134)
    assert (facts.multi_fragment, facts.bond_free, facts.blank_rows) == (244, 19, 0)
    assert facts.labelled == sum(task.labelled for task in facts.tasks) == 77_946 - 82
    assert sum(task.active for task in facts.tasks) == sum(active for _, active in LABELLED_AND_ACTIVE.values()) - 4
    assert facts.leakage == Leakage(parents=49, test_rows=52)


def test_defects_stated_for_tox21_add_up(tox21: Molecules) -> None:
    stated = list(TOX21.defects.values())
    assert stated == [8, 16_026, 245, 19, 600, 134]
    assert stated[2] == sum("." in smiles for smiles in tox21.smiles) + 1  # one of the rejected rows
