"""Splits as files of other tools: reading them back gives the split."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from few_molecules import molecules as few
from pbgraph.splits import SPLITS, Split
from pbgraph.splits.files import PARTS, write_molecules, write_split

COLUMNS = ("name", "structure")


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("name", "seed"), [("random", 68), ("scaffold-balanced", 3), ("scaffold", None)])
def test_reading_them_back_gives_the_split(tox21, tmp_path, name, seed):
    split = SPLITS.get(name).split(tox21, seed)
    write_molecules(tmp_path / "tox21.csv", tox21, COLUMNS)
    write_split(tmp_path / "parts", tox21, split, COLUMNS)
    whole = read(tmp_path / "tox21.csv")
    (numbers,) = json.loads((tmp_path / "parts" / "splits.json").read_text())
    again = Split(*(np.array(numbers[theirs]) for theirs in PARTS.values()))
    assert again.sha256 == split.sha256
    number = {row["name"]: place for place, row in enumerate(whole)}
    for part in PARTS:
        rows = read(tmp_path / "parts" / f"{part}.csv")
        assert [number[row["name"]] for row in rows] == getattr(split, part).tolist()
        assert rows == [whole[place] for place in getattr(split, part)]


def test_structures_and_labels_are_those_of_the_data(tox21, tmp_path):
    write_molecules(tmp_path / "tox21.csv", tox21, COLUMNS)
    rows = read(tmp_path / "tox21.csv")
    assert tuple(row["structure"] for row in rows) == tox21.smiles
    y = np.array([[float(row[target] or "nan") for target in tox21.tasks] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(y, tox21.y)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_come_back_to_the_last_digit(tmp_path_factory, numbers):
    column = np.array(numbers, dtype=np.float32)[:, None]
    molecules = replace(few(["C"] * len(numbers)), y=column, columns=column, tasks=("t",))
    path = tmp_path_factory.mktemp("numbers") / "a.csv"
    write_molecules(path, molecules, (*COLUMNS, "beside"))
    back = np.array([[float(row[name] or "nan") for name in ("beside", "t")] for row in read(path)], dtype=np.float32)
    np.testing.assert_array_equal(back, np.hstack([column, column]))
