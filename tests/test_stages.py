"""What is done before training is told to whoever listens, with how much of it is done."""

from __future__ import annotations

import pytest

from pbgraph import stages
from pbgraph.errors import Interrupted
from pbgraph.stages import Stage, each, heard, stage
from pbgraph.structures.parallel import in_parts
from pbgraph.structures.smiles import parsed


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(stages, "EVERY", -1.0)


def count(smiles, first):
    return len(list(parsed(smiles, first)))


def test_a_stage_is_told_with_the_share_that_is_done():
    told: list[Stage] = []
    with heard(told.append), stage("reading"):
        assert list(each(["a", "b"])) == ["a", "b"]
    assert [str(one) for one in told[:3]] == ["reading", "reading 50%", "reading 100%"]


def test_what_is_counted_within_parts_counts_towards_the_whole(monkeypatch):
    monkeypatch.setattr("pbgraph.structures.parallel.PART", 2)
    told: list[Stage] = []
    with heard(told.append), stage("featurising"):
        assert sum(in_parts(count, ["C", "CC", "CO", "CN"], seconds_each=0.0, processes=1)) == 4
    shares = [one.share for one in told if one.share is not None]
    assert shares == sorted(shares)
    assert {0.25, 0.5, 0.75, 1.0} == set(shares)


def test_nobody_need_listen():
    with stage("reading"):
        assert list(each([1, 2])) == [1, 2]
    assert list(each([1])) == [1]


def test_a_listener_ends_the_work():
    def stop(_: Stage) -> None:
        raise Interrupted("stop")

    with pytest.raises(Interrupted), heard(stop), stage("compiling"):
        pytest.fail("it went on")
