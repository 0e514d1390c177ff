from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fake_runner import PROVENANCE, Report, make_record, make_spec, make_work
from pbgraph.execution.engines.display import Display, Line, laid_out, shortened
from pbgraph.execution.engines.progress import Lines, Live, outcome
from pbgraph.execution.engines.time_left import TimeLeft
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
        "[1] trimnet/backprop 0, neuron, epoch 1 of 60, best 0.5000, 0 dendrites, 0:10 left",
        "[1] trimnet/backprop 0, dendrite, epoch 51 of 60, best 0.5000, 0 dendrites, 0:10 left",
        "trimnet/backprop seed 0: test ROC-AUC 0.7500, 2 epochs, 0:03",
        "1 of 2 runs done, 0:05 left",
        "[1] trimnet/backprop seed 1: started",
        "[1] trimnet/backprop seed 1: its worker was killed by SIGKILL; trying once more",
    ]


def test_a_log_says_what_takes_a_while_before_training_and_only_that(monkeypatch):
    out, specs = io.StringIO(), (make_spec(),)
    lines = Lines(make_work(*specs), 1, Console(file=out, width=40))
    times = iter([0.0, 0.0, 10.0, 11.0, 20.0, 25.0, 25.0, 30.0, 30.0])
    monkeypatch.setattr("pbgraph.execution.engines.progress.time.monotonic", lambda: next(times))
    lines.started(0, specs[0])
    lines.reported(0, Report("featurising", share=0.1))
    lines.passed()
    lines.reported(0, Report("featurising", share=0.4))
    assert out.getvalue().splitlines()[1:] == ["[1] trimnet/backprop 0, featurising 10%, 0:10 left"]


def test_time_left_counts_arms_that_nobody_has_timed():
    specs = (make_spec(), make_spec(seed=1), make_spec(seed=2, method="continued"))
    work = make_work(*specs)
    work.seconds.clear()
    lines = Lines(work, 1, Console(file=io.StringIO()))
    assert lines._board.summary() == ("0 of 3 runs done", "")
    lines.started(0, specs[0])
    lines.ended(0, make_record(specs[0]))  # in 3 s: so long is one of that arm, and so the other is taken to be
    assert lines._board.summary() == ("1 of 3 runs done", "0:06 left")
    work.seconds[specs[2].key] = 57.0
    lines = Lines(work, 1, Console(file=io.StringIO()))
    assert lines._board.summary() == ("0 of 3 runs done", "2:51 left")


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_live_display_has_a_line_per_worker_and_one_for_all(width):
    out, specs = io.StringIO(), (make_spec(), make_spec(seed=1), make_spec(seed=2))
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    with Display(console) as display:
        live = Live(make_work(*specs), 2, display)
        live.started(0, specs[0])
        live.reported(0, Report("dendrite", 12, 0.8412, 1, 0.4, 240))
        live.ended(None, make_record(specs[2]))
        live.started(1, specs[1])
        live.left(1, "saved")
        lines = display.texts
    worker = {
        60: "trimnet/backprop 0  epoch 13 of 240  best 0.8412  0:06 left",
        80: "trimnet/backprop 0  dendrite  epoch 13 of 240  best 0.8412  0:06 left",
        140: "trimnet/backprop 0  dendrite  epoch 13 of 240  best 0.8412  1 dendrite  0:06 left  ━━━━━·······",
    }
    assert [" ".join(line.split()) for line in lines] == [
        " ".join(worker[width].split()),
        "idle",
        "1 of 3 runs done 0:08 left",
    ]
    assert "trimnet/backprop seed 2: test ROC-AUC" in out.getvalue()


def test_at_80_columns_long_names_of_variants_leave_room_for_what_counts():
    name = "trimnet/backprop:hidden=64,learning_rate=0.003634,weight_decay=1e-05 68"
    line = Line(name, "neuron", "epoch 112 of 240", "best 0.8412", "2 dendrites", "1:26:40 left", 0.5)
    (text,) = laid_out([line], 80)
    assert text == "trimnet/backprop:…ht_decay=1e-05 68  epoch 112 of 240  best 0.8412  1:26:40 left"


CELLS = st.text(max_size=60)
LINES = st.builds(Line, CELLS, CELLS, CELLS, CELLS, CELLS, CELLS, st.none() | st.floats(-1, 2))


@given(st.lists(LINES, max_size=4), st.integers(1, 200))
def test_no_line_is_wider_than_the_terminal(lines, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    display = Display(console)
    display._lines = tuple(lines)
    assert len(display.texts) == len(lines)
    assert all(cell_len(text) <= width for text in display.texts)
    shown = console.render_lines(display._rendered(), pad=False)
    assert len(shown) == len(lines)


@given(st.text(max_size=80), st.integers(0, 60))
def test_a_name_keeps_its_beginning_and_its_end(text, width):
    short = shortened(text, width)
    assert cell_len(short) <= width or short == text
    assert short == text or "…" in short or not width
