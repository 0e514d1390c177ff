"""What a run in progress says of itself, and what is believed of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from made_records import make_spec
from pbgraph.methods.base import Report
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.progress import STARTING, published, read_progress

SPEC = make_spec("gin/backprop", 68, control_of="c" * 16)


@pytest.fixture
def results(tmp_path) -> ResultsFolder:
    return ResultsFolder(tmp_path)


def clock(*times: float):
    ticks = iter(times)
    return lambda: next(ticks)


def test_it_is_written_at_most_once_a_second_and_every_report_is_passed_on(results):
    heard = []
    with published(results, SPEC, heard.append, now=clock(100.0, 100.5, 101.25, 101.5, 103.0)) as tell:
        first = read_progress(results, SPEC.key)
        assert (first.phase, first.began, first.arm, first.control_of) == (STARTING, None, "gin/backprop", "c" * 16)
        seen = []
        for epoch in (3, 4, 5, 6):
            tell(Report("neuron", epoch, 0.75, 1, epoch / 10))
            seen.append(read_progress(results, SPEC.key).epoch)
        assert seen == [0, 4, 4, 6]
        last = read_progress(results, SPEC.key)
        assert (last.began, last.first, last.reported, last.fraction) == (100.5, 0.3, 103.0, 0.6)
    assert [one.epoch for one in heard] == [3, 4, 5, 6]


def test_a_clock_that_is_set_back_does_not_silence_a_run(results):
    with published(results, SPEC, lambda _: None, now=clock(100.0, 50.0)) as tell:
        tell(Report("neuron", 2, None, 0, 0.5))
        assert read_progress(results, SPEC.key).epoch == 2


@pytest.mark.parametrize("saved", [True, False])
def test_it_stays_only_beside_a_saved_state(results, saved):
    with published(results, SPEC, lambda _: None):
        if saved:
            results.checkpoint_path(SPEC).touch()
    assert results.progress_path(SPEC.key).exists() == saved
    results.drop_checkpoints(SPEC)
    assert list((results.root / ".work").iterdir()) == []


def test_a_folder_that_cannot_be_written_does_not_stop_a_run(tmp_path):
    (tmp_path / ".work").touch()  # where a folder should be
    heard = []
    with published(ResultsFolder(tmp_path), SPEC, heard.append) as tell:
        tell(Report("neuron", 1, None, 0, 0.5))
    assert len(heard) == 1


@pytest.mark.parametrize(
    "change",
    [{"fraction": 2.0}, {"first": -1.0}, {"reported": 1e300}, {"epoch": -1}, {"phase": 3}, {"began": "soon"}],
    ids=str,
)
def test_what_cannot_be_is_not_believed(results, change):
    with published(results, SPEC, lambda _: None):
        path = results.progress_path(SPEC.key)
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        assert read_progress(results, SPEC.key) is None
        path.write_bytes(b"{")
        assert read_progress(results, SPEC.key) is None


def test_what_was_never_said_is_not_known(tmp_path: Path):
    assert read_progress(ResultsFolder(tmp_path / "none"), SPEC.key) is None
