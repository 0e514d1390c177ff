"""The facts about MoleculeNet's tables as stated, and what is peculiar about their files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import pbgraph.datasets.load as load
from pbgraph.datasets.audit import audit
from pbgraph.datasets.base import DATASETS, OtherColumns
from pbgraph.datasets.source import find
from pbgraph.errors import DataError
from pbgraph.metrics import METRICS
from pbgraph.molecules import Molecules
from pbgraph.splits import SPLITS
from small_dataset import dataset

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]


@dataclass(frozen=True)
class Golden:
    """Counts of a file: rows, tasks, measured and positive cells (None: regression), and rows that RDKit rejects."""

    rows: int
    tasks: int
    labelled: int
    positives: int | None
    rejected: tuple[int, ...] = ()


GOLDEN = {
    "bace": Golden(1513, 1, 1513, 691),
    "bbbp": Golden(2050, 1, 2050, 1567, (59, 61, 391, 614, 642, 645, 646, 647, 648, 649, 685)),
    "clintox": Golden(1484, 2, 2968, 1502, (7, 302, 1219, 1220)),
    "freesolv": Golden(642, 1, 642, None),
    "hiv": Golden(41127, 1, 41127, 1443, (137, 987, 12882, 18293, 30784, 30785, 35728)),
    "lipophilicity": Golden(4200, 1, 4200, None),
    "muv": Golden(93087, 17, 249_886, 489),
    "sider": Golden(1427, 27, 38_529, 21_868),
    "toxcast": Golden(8576, 617, 1_533_660, 126_651),
}
POSITIVES = {
    "clintox": {"FDA_APPROVED": 1390, "CT_TOX": 112},
    "hiv": {"HIV_active": 1443},
    "muv": {
        "MUV-466": 27,
        "MUV-548": 29,
        "MUV-600": 30,
        "MUV-644": 30,
        "MUV-652": 29,
        "MUV-689": 29,
        "MUV-692": 30,
        "MUV-712": 28,
        "MUV-713": 29,
        "MUV-733": 28,
        "MUV-737": 29,
        "MUV-810": 29,
        "MUV-832": 30,
        "MUV-846": 30,
        "MUV-852": 29,
        "MUV-858": 29,
        "MUV-859": 24,
    },
}
RANGES = {"freesolv": (-25.47, 3.43, -3.80, 3.84), "lipophilicity": (-1.5, 4.5, 2.19, 1.20)}  # least, most, mean, SD
LARGE = ("hiv", "muv")  # seconds of parsing
SMALL = [name for name in GOLDEN if name not in LARGE]
NAMES = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
QUICK = ["bace", "bbbp", "clintox", "freesolv"]
AUDITED = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in GOLDEN if name not in QUICK)]


def read(name: str, shared: Path) -> Molecules:
    dataset = DATASETS.get(name)
    return load.read(dataset, find(dataset, folder=shared / "data", offline=True))


accepted = cache(read)


@pytest.mark.parametrize("name", GOLDEN)
def test_labels_of_the_whole_file_are_those_stated(name: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "unusable", lambda *_: {})  # count the rows that RDKit rejects, too
    molecules, golden = read(name, shared), GOLDEN[name]
    assert molecules.rejected == ()
    assert molecules.y.shape == (golden.rows, golden.tasks)
    assert len(molecules.tasks) == len(DATASETS.get(name).tasks) == golden.tasks
    assert DATASETS.get(name).rows == golden.rows
    assert int((~np.isnan(molecules.y)).sum()) == golden.labelled
    if golden.positives is None:
        y = molecules.y
        assert (y.min(), y.max(), y.mean(), y.std()) == pytest.approx(RANGES[name], abs=0.006)
        return
    assert int((molecules.y == 1).sum()) == golden.positives
    positives = dict(zip(molecules.tasks, (molecules.y == 1).sum(axis=0).tolist(), strict=True))
    assert POSITIVES.get(name, positives) == positives
    blank = DATASETS.get(name).defects.get("blank cells, not measured", 0)
    assert golden.rows * golden.tasks - golden.labelled == blank


@pytest.mark.parametrize("name", NAMES)
def test_rejected_rows_are_those_stated(name: str, shared: Path) -> None:
    molecules, golden = accepted(name, shared), GOLDEN[name]
    assert tuple(row.row for row in molecules.rejected) == golden.rejected
    assert len(molecules) == golden.rows - len(golden.rejected)
    assert set(molecules.rows.tolist()).isdisjoint(golden.rejected)
    stated = [count for what, count in DATASETS.get(name).defects.items() if "RDKit rejects" in what]
    assert stated == [len(golden.rejected)] * len(stated)
    assert bool(stated) == bool(golden.rejected)


@pytest.mark.parametrize("name", AUDITED)
def test_defects_are_those_stated(name: str, shared: Path) -> None:
    one = DATASETS.get(name)
    molecules = accepted(name, shared)
    facts = audit(one, molecules, {})
    rejected_salts = {"hiv": 1}.get(name, 0)
    found = {
        "multi-fragment rows (salts, mixtures)": facts.multi_fragment + rejected_salts,
        "molecules without a bond": facts.bond_free,
        "rows whose structure another row has too": facts.duplicate_rows,
        "rows that share a parent with another row": facts.sharing_rows,
        "cells measured more than once for one parent, with conflicting labels": facts.conflicting_cells,
    }
    assert {what: one.defects.get(what, 0) for what in found} == found


@pytest.mark.parametrize("name", DATASETS.names())
def test_what_every_data_set_states(name: str) -> None:
    one = DATASETS.get(name)
    assert one.name == name
    assert one.metric in METRICS
    assert one.split in SPLITS
    assert len(one.sha256) == 64
    assert one.urls
    assert all(url.startswith("https://") for url in one.urls)
    assert one.licence
    assert one.source
    assert one.defects
    assert all(count > 0 for count in one.defects.values())


def test_rows_without_names_are_known_by_their_numbers() -> None:
    content = b"smiles,a\nC,0\nC1CC,1\nCC,1\n"
    molecules = load.read(dataset(content, tasks=("a",), id_column=None), content)
    assert molecules.mol_ids == ("0", "2")
    assert [(row.row, row.mol_id) for row in molecules.rejected] == [(1, "1")]


def test_tasks_can_be_every_other_column() -> None:
    content = b"b,mol_id,smiles,a\n1,M1,C,0\n"
    one = dataset(content, tasks=OtherColumns(2))
    molecules = load.read(one, content)
    assert molecules.tasks == ("b", "a")
    np.testing.assert_array_equal(molecules.y, [[1, 0]])


@pytest.mark.parametrize("header", ["b,mol_id,smiles", "a,b,c,mol_id,smiles", "a,a,mol_id,smiles"])
def test_the_number_of_other_columns_is_checked(header: str) -> None:
    content = f"{header}\n{','.join('1' * len(header.split(',')))}\n".encode()
    with pytest.raises(DataError, match="label columns, expected 2"):
        load.read(dataset(content, tasks=OtherColumns(2)), content)
