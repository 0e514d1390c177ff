"""The facts about ESOL as stated, and numbers as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pbgraph.datasets.audit import audit
from pbgraph.datasets.esol import ESOL
from pbgraph.datasets.load import load, read
from pbgraph.report.audit import audit_text
from small_dataset import dataset

CSV = b"a,b,mol_id,smiles\n-0.5,1e3,M1,CCO\n,2,M2,c1ccccc1\n1.5,x,M3,CC\nnan,0,M4,CCC\n1e39,0,M5,CCCC\n7,3,M6,OCC\n"


def test_labels_of_regression_are_numbers_and_rows_with_others_are_named() -> None:
    table = dataset(CSV, metric="rmse", rows=6)
    molecules = read(table, CSV)
    assert table.kind == "regression"
    np.testing.assert_array_equal(molecules.y, np.array([[-0.5, 1000], [np.nan, 2], [np.nan, 0], [7, 3]], np.float32))
    assert [(row.mol_id, row.reason) for row in molecules.rejected] == [
        ("M3", "label b is 'x'; expected numbers or blank; a qualified value such as '>10' is not a number"),
        ("M5", "label a is '1e39'; expected numbers or blank; a qualified value such as '>10' is not a number"),
    ]


def test_the_audit_counts_no_actives_among_numbers() -> None:
    table = dataset(CSV, metric="rmse", rows=6)
    facts = audit(table, read(table, CSV), {})
    assert [task.active for task in facts.tasks] == [None, None]
    assert (facts.repeated_cells, facts.conflicting_cells) == (2, 2)  # ethanol, twice
    assert "active" not in audit_text(facts, {})


def test_facts_of_esol_are_those_stated(shared: Path) -> None:
    molecules = load(ESOL, folder=shared / "data", offline=True)
    facts = audit(ESOL, molecules, {})
    assert (facts.rows, facts.accepted, facts.labelled) == (1128, 1128, 1128)
    found = [facts.bond_free, facts.duplicate_rows, facts.sharing_rows, facts.conflicting_cells]
    assert found == list(ESOL.defects.values())
    assert facts.repeated_cells == 13
    y = molecules.y[:, 0]
    assert (float(y.min()), float(y.max())) == pytest.approx((-11.6, 1.58))
    assert (float(y.mean()), float(y.std())) == pytest.approx((-3.05, 2.10), abs=0.01)
