"""What is done before training is told to whoever listens, with how much of it is done."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import nn

from pbgraph import stages
from pbgraph.dendrites import headroom
from pbgraph.errors import Interrupted
from pbgraph.execution.engines import progress
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


def test_a_log_is_told_of_slow_stages_alone_and_how_long_they_will_last(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 10.0, 31.0, 200.0, 210.0, 220.0])  # of what is told
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress.stages_shown():
        tell = stages._listener.get()
        assert tell is not None
        for share in (None, 0.1, 0.25, 0.75):
            tell(Stage("featurising", share))
        for share in (None, 0.5):
            tell(Stage("reading", share))
        tell(Stage("reading", 0.6))
    said = capsys.readouterr().err.splitlines()
    assert said == ["featurising 25%, about 0:45 left", "reading 50%"]


def test_headroom_is_told_site_by_site():
    told: list[Stage] = []
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    batches = [(x := torch.randn(16, 3), x[:, :1]) for _ in range(6)]
    with heard(told.append):
        headroom(model, batches, lambda model, b: (model(b[0]) - b[1]).square().mean(), folds=3, epochs=1, draws=19)
    mine = [str(one) for one in told if one.name == "looking for headroom"]
    assert mine[:3] == ["looking for headroom", "looking for headroom 50%", "looking for headroom 100%"]


def test_a_terminal_has_a_bar_and_the_time_that_is_left(monkeypatch):
    out, clock = io.StringIO(), iter([0.0, 5.0, 15.0])
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=out, force_terminal=True, width=70))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress.stages_shown():
        tell = stages._listener.get()
        assert tell is not None
        for share in (None, 0.25, 0.5):
            tell(Stage("looking for headroom", share))
    lines = [line.strip() for line in out.getvalue().replace("\r", "\n").splitlines()]
    assert any(line.endswith("looking for headroom  ━━━·········") for line in lines), lines
    assert any(line.endswith("looking for headroom  0:20 left  ━━━━━━······") for line in lines), lines
