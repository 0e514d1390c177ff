from __future__ import annotations

import io

import pytest
from rich.console import Console

from fake_runner import PROVENANCE, Report, make_record, make_spec, make_work
from pbgraph.execution.engines.progress import Lines, Live, TimeLeft, make_bars, outcome
from pbgraph.results.records import RunRecord


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_time_left_is_what_the_pace_of_this_sitting_says(clock):
    left = TimeLeft(None, now=clock)
    assert left.seconds() is None
    left.update(0.5)  # taken up in the middle
    clock.now += 10
    left.update(0.6)
    assert left.seconds() == pytest.approx(40)
    clock.now += 10
    assert left.seconds() == pytest.approx(30)


def test_time_left_is_smoothed(clock):
    left = TimeLeft(None, now=clock)
    left.update(0.0)
    clock.now += 10
    left.update(0.1)  # 90 s left, ends at 100
    clock.now += 10
    left.update(0.1 + 0.025)  # alone it would say 140 s left
    assert 80 < left.seconds() < 100


def test_time_left_prefers_what_such_runs_took_but_never_exceeds_the_longest(clock):
    left = TimeLeft(100.0, now=clock)
    left.update(0.0)
    clock.now += 10
    left.update(0.02)
    assert left.seconds() == pytest.approx(90)
    clock.now += 100
    left.update(0.5)
    assert left.seconds() > 0  # longer than expected: the longest possible run is all that is known
    short = TimeLeft(1e6, now=clock)
    short.update(0.0)
    clock.now += 1
    short.update(0.5)
    assert short.seconds() == pytest.approx(1)


def test_outcomes_in_one_line():
    assert outcome(make_record(make_spec(seed=7))) == "trimnet/backprop seed 7: test ROC-AUC 0.7500, 2 epochs, 0:03"
    failed = RunRecord(make_spec(), "failed", PROVENANCE, error="ValueError: diverged")
    assert outcome(failed) == "trimnet/backprop seed 0: FAILED: ValueError: diverged"


def test_plain_lines_say_starts_switches_and_results_and_little_else():
    out, specs = io.StringIO(), (make_spec(), make_spec(seed=1))
    lines = Lines(make_work(*specs), 2, Console(file=out, width=40))
    lines.started(0, specs[0])
    for epoch in range(50):
        lines.reported(0, Report("neuron", epoch))
    lines.reported(0, Report("dendrite", 50))
    lines.ended(0, make_record(specs[0]))
    lines.started(0, specs[1])
    lines.left(0, "its worker was killed by SIGKILL; trying once more")
    assert out.getvalue().splitlines() == [
        "[1] trimnet/backprop seed 0: started",
        "[1] trimnet/backprop 0, neuron, epoch 0, best valid 0.5000, 0 dendrites, 0:10 left",
        "[1] trimnet/backprop 0, dendrite, epoch 50, best valid 0.5000, 0 dendrites, 0:10 left",
        "trimnet/backprop seed 0: test ROC-AUC 0.7500, 2 epochs, 0:03",
        "1 of 2 runs done, 0:05 left",
        "[1] trimnet/backprop seed 1: started",
        "[1] trimnet/backprop seed 1: its worker was killed by SIGKILL; trying once more",
    ]


@pytest.mark.parametrize("width", [60, 140])
def test_the_live_display_has_a_line_per_worker_and_one_for_all(width):
    out, specs = io.StringIO(), (make_spec(), make_spec(seed=1), make_spec(seed=2))
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    with make_bars(console, auto_refresh=False) as bars:
        live = Live(make_work(*specs), 2, bars)
        live.started(0, specs[0])
        live.reported(0, Report("dendrite", 12, 0.8412, 1, 0.4))
        live.ended(None, make_record(specs[2]))
        live.started(1, specs[1])
        live.left(1, "saved")
        rows = [" ".join(filter(None, task.fields["cells"].values())) for task in bars.tasks]
        lines = console.render_lines(bars.get_renderable(), pad=False)
    assert rows == [
        "trimnet/backprop 0 dendrite epoch 12 best valid 0.8412 1 dendrite 0:06 left",
        "idle",
        "1 of 3 runs done 0:08 left",
    ]
    assert "trimnet/backprop seed 2: test ROC-AUC" in out.getvalue()
    assert len(lines) == 3  # long lines are cut, not wrapped
