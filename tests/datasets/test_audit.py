"""The facts about Tox21 as stated, and the audit's rules on a table small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pbgraph.datasets.load as load
from pbgraph.datasets.audit import Leakage, TaskFacts, audit, conflicts, noise, task_facts
from pbgraph.datasets.source import find
from pbgraph.datasets.tox21 import TOX21
from pbgraph.metrics import RMSE, ROC_AUC
from pbgraph.molecules import Molecules
from pbgraph.report.audit import audit_text
from pbgraph.splits import RANDOM, Split
from small_dataset import CSV, dataset

pytestmark = pytest.mark.lengthy

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
    facts = audit(dataset(), load.read(dataset(), CSV), {"one": split})
    assert facts.tasks == (TaskFacts("a", 4, 2), TaskFacts("b", 4, 2))
    assert (facts.rows, facts.accepted, facts.labelled, facts.blank_rows) == (5, 5, 8, 0)
    assert (facts.multi_fragment, facts.bond_free) == (2, 1)
    assert (facts.parents, facts.sharing_rows) == (4, 2)  # sodium acetate and acetic acid
    assert (facts.repeated_cells, facts.conflicting_cells) == (2, 2)
    assert facts.leakage == {"one": Leakage(parents=1, test_rows=1, tested=1)}


def test_labels_of_the_whole_tox21_file_are_those_stated(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "unusable", lambda *_: {})  # count the rows that RDKit rejects, too
    molecules = load.read(TOX21, find(TOX21, folder=shared / "data", offline=True))
    y, facts = molecules.y, task_facts(molecules.tasks, molecules.y, "classification")
    assert {fact.task: (fact.labelled, fact.active) for fact in facts} == LABELLED_AND_ACTIVE
    assert (len(y), int((~np.isnan(y)).sum()), int(np.isnan(y).sum())) == (7831, 77_946, 16_026)
    assert bool((~np.isnan(y)).any(axis=1).all())


def test_structures_of_tox21_are_those_stated(tox21: Molecules) -> None:
    facts = audit(TOX21, tox21, {"random": RANDOM.split(tox21, 68)})
    assert (facts.rows, facts.accepted, len(facts.rejected)) == (7831, 7823, 8)
    assert all("Al, 6, is greater than permitted" in row.reason for row in facts.rejected)
    assert (facts.parents, facts.sharing_rows) == (7484, 600)
    assert (facts.repeated_cells, facts.conflicting_cells) == (2527, 134)
    assert (facts.multi_fragment, facts.bond_free, facts.blank_rows) == (244, 19, 0)
    assert facts.labelled == sum(task.labelled for task in facts.tasks) == 77_946 - 82
    assert sum(task.active for task in facts.tasks) == sum(active for _, active in LABELLED_AND_ACTIVE.values()) - 4
    assert facts.leakage == {"random": Leakage(parents=49, test_rows=52, tested=783)}


def test_defects_stated_for_tox21_add_up(tox21: Molecules) -> None:
    stated = list(TOX21.defects.values())
    assert stated == [8, 16_026, 245, 19, 600, 134]
    assert stated[2] == sum("." in smiles for smiles in tox21.smiles) + 1  # one of the rejected rows


def test_measured_quantities_conflict_if_they_are_a_quarter_of_the_standard_deviation_apart() -> None:
    y = np.array([[0.0, 0], [0.2, np.nan], [1, 1], [4, 0], [3, 1], [9, 0]], dtype=np.float32)
    parents = np.array([0, 0, 1, 1, 2, 3])
    apart = 0.25 * y[:, 0].std()
    assert 0.2 < apart < 3
    assert conflicts(parents, y, "regression") == (3, 2)
    assert conflicts(parents, y, "classification") == (3, 3)


@given(st.lists(st.tuples(st.integers(0, 4), *[st.sampled_from([0.0, 1.0, np.nan])] * 3), min_size=1, max_size=30))
def test_conflicts_are_those_of_a_plain_count(rows: list[tuple[int, float, float, float]]) -> None:
    parents = np.unique([row[0] for row in rows], return_inverse=True)[1]
    y = np.array([row[1:] for row in rows], dtype=np.float32)
    cells = [y[parents == parent, task] for parent in set(parents.tolist()) for task in range(3)]
    measured = [cell[~np.isnan(cell)].tolist() for cell in cells]
    expected = sum(len(cell) > 1 for cell in measured), sum(len(set(cell)) > 1 for cell in measured)
    assert conflicts(parents, y, "classification") == expected


def test_many_tasks_are_summed_up_and_few_are_listed() -> None:
    split = Split(train=np.array([0, 1, 4]), valid=np.array([2]), test=np.array([3]))
    facts = audit(dataset(), load.read(dataset(), CSV), {"one": split})
    assert "| a    |        4 |      2 |" in audit_text(facts, {})
    many = replace(facts, tasks=tuple(TaskFacts(f"task {i}", 10 * i, i) for i in range(1, 618)))
    text = audit_text(many, {"time": "no dates"})
    assert "| of 617 tasks | least | median |  most |       sum |" in text
    assert "| labelled     |    10 |  3,090 | 6,170 | 1,906,530 |" in text
    assert "task 9" not in text
    assert "| one   |                            1 | 1 of 1 " in text
    assert "| time  |                            - | no dates " in text


def test_rows_of_one_structure_are_counted_however_they_are_spelt() -> None:
    content = b"a,b,mol_id,smiles\n0,1,M1,CCO\n0,0,M2,OCC\n1,1,M3,C[C@H](N)O\n1,1,M4,C[C@@H](N)O\n"
    told: list[int] = []
    facts = audit(dataset(content), load.read(dataset(content), content), {}, done=told.append)
    assert (facts.duplicate_rows, facts.sharing_rows) == (2, 4)
    assert told == [4]


def test_the_noise_ceiling_is_the_metric_of_the_other_measurements() -> None:
    """Rows of parents 0 and 1 are measured again; the row of parent 2, and blanks, tell nothing."""
    parents = np.array([0, 0, 0, 1, 1, 2, 1])
    y = np.array([1, 1, 0, 0, 0, 1, np.nan], np.float32)[:, None]
    (found,) = noise(("A",), parents, y, metric=ROC_AUC)
    assert (found.replicates, found.parents, found.conflicts) == (5, 2, 1)
    assert found.ceiling == ROC_AUC.score(np.array([1.0, 1, 0, 0, 0]), np.array([0.5, 0.5, 1, 0, 0]))
    assert noise(("A",), np.arange(7), y, metric=ROC_AUC) == ()
    (measured,) = noise(("A",), np.array([0, 0]), np.array([[1.0], [3.0]]), metric=RMSE)
    assert measured.ceiling == 2.0
