"""Structures in parts: all of them, in order, whatever the number of processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.features import parallel
from pbgraph.features.parallel import in_parts

FEW = ["C", "CC", "CCC", "CCCC", "CCCCC"]


def numbered(smiles: list[str], first: int) -> list[tuple[int, str]]:
    return list(enumerate(smiles, first))


@given(st.lists(st.sampled_from(FEW)), st.integers(1, 4))
def test_parts_joined_are_the_whole_and_are_counted(smiles: list[str], size: int) -> None:
    told: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PART", size)
        parts = list(in_parts(numbered, smiles, seconds_each=0.0, done=told.append))
    assert [one for part in parts for one in part] == list(enumerate(smiles))
    assert all(0 < len(part) <= size for part in parts) or not smiles
    assert sum(told) == len(smiles)


def test_several_processes_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PART", 2)
    parts = list(in_parts(numbered, FEW, seconds_each=0.0, processes=2))
    assert [one for part in parts for one in part] == list(enumerate(FEW))


def test_processes_are_started_only_where_they_pay() -> None:
    assert parallel._worthwhile(parallel.START) == 1
    assert parallel._worthwhile(1e6) >= 1
