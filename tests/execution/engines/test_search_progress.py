"""What is said while a search goes, on a terminal and elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from fake_runner import Report
from pbgraph.datasets.base import DATASETS
from pbgraph.execution.engines.display import Display
from pbgraph.execution.engines.search_progress import SearchProgress, outcome
from pbgraph.plans.presets import preset
from pbgraph.plans.search.ledger import Ledger
from pbgraph.plans.search.search import search_of
from pbgraph.results.arms import parse_arm
from pbgraph.results.tuning import Trial, append_trial


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    arm = parse_arm("gin/backprop")
    return Ledger(search_of(DATASETS.get("tox21"), preset("default"), arm, seeds=(0, 1), trials=3), tmp_path)


def line(ledger: Ledger, number: int, scores: tuple[float, ...], **changes) -> Trial:
    trial = Trial(
        task="tox21",
        model="gin",
        method="backprop",
        preset="default",
        split="random",
        metric="roc_auc",
        seeds=(0, 1),
        recipe=ledger.search.recipe.key,
        number=number,
        state="finished",
        scores=scores,
        seconds=(30.0,) * len(scores),
        mean=sum(scores) / len(scores) if scores else None,
    )
    trial = replace(trial, **changes)
    append_trial(ledger.path, trial)
    return trial


def progress(ledger: Ledger, *, terminal: bool) -> tuple[SearchProgress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200)
    made = SearchProgress([ledger], 2, console=console, display=Display(console) if terminal else None)
    specs = [ledger.search.runs(ledger.search.start, seed)[-1] for seed in (0, 1)]
    made.source = SimpleNamespace(live=[SimpleNamespace(candidate=SimpleNamespace(number=2), specs=specs)])
    return made, out


def test_a_trial_that_is_over_is_said_with_the_best_and_the_time_left(ledger):
    shown, out = progress(ledger, terminal=False)
    shown.trial_over(ledger, line(ledger, 0, (0.8, 0.9)))
    shown.trial_over(ledger, line(ledger, 1, (0.7, 0.8)))
    assert out.getvalue().splitlines() == [
        "gin/backprop trial 0 (1 of 3 done): 0.8500, 1:00, best so far 0.8500 of trial 0, about 1:00 left",
        "gin/backprop trial 1 (2 of 3 done): 0.7500, 1:00, best so far 0.8500 of trial 0, about 0:30 left",
    ]


def test_lines_of_a_log_name_arm_trial_and_seed(ledger):
    shown, out = progress(ledger, terminal=False)
    spec = ledger.search.runs(ledger.search.start, 1)[-1]
    shown.started(1, spec)
    shown.reported(1, Report())
    shown.left(1, "saved")
    assert out.getvalue().splitlines() == [
        "[2] gin/backprop trial 2 seed 1: started",
        "[2] gin/backprop seed 1: saved",
    ]


def test_a_terminal_shows_what_is_being_trained(ledger):
    shown, out = progress(ledger, terminal=True)
    shown.started(0, ledger.search.runs(ledger.search.start, 0)[-1])
    shown.passed()
    assert shown._display.texts == ["gin/backprop trial 2 seed 0  starting", "0 of 3 trials done"]
    shown.reported(0, Report(epoch=4, fraction=0.5))
    shown.passed()
    said = "gin/backprop trial 2 seed 0  neuron  epoch 5 of 60  best 0.5000  0 dendrites  ━━━━━━······"
    assert shown._display.texts[0] == said
    shown.ended(0, SimpleNamespace())
    shown.passed()
    assert shown._display.texts[0] == "waiting for other processes"
    assert "started" not in out.getvalue()


def test_outcomes_in_words(ledger):
    assert outcome(line(ledger, 0, (0.8, 0.9))) == "0.8500"
    assert outcome(line(ledger, 1, (0.8,), state="pruned")) == "0.8000, given up after 1 of 2 seeds"
    assert outcome(line(ledger, 2, (), state="failed", reason="no\x1b[0m")) == "FAILED: no\\x1b[0m"
