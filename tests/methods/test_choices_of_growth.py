"""Settings of growth as the perforated method has them, and their counterparts in its controls."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from pbgraph.errors import Interrupted, UsageError
from pbgraph.fields import told
from pbgraph.methods import session as session_module
from pbgraph.methods.base import METHODS, PairedRun
from pbgraph.methods.controls import CONTINUED
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings, longest_run
from pbgraph.methods.plain import CycleSettings
from pbgraph.methods.widened import WIDENED_CONTINUED
from tiny_task import TinyConfig, tiny_store, tiny_task

pytestmark = pytest.mark.lengthy

SHORT = {"epochs": 4, "patience": 9, "batch_size": 50, "learning_rate": 1e-2, "schedule": "cosine"}
GROWN = PerforatedSettings(
    **SHORT, cycle_epochs=3, max_dendrites=1, max_tries=1, dendrite_epochs=2, dendrite_patience=9, priming_batches=2
)
CHOICES = {
    "objective": {"objective": "correlation", "pool": 2},
    "accept_margin": {"accept_margin": 0.5},
    "restart": {"restart": "end"},
    "grow_at": {"grow_at": 0.5},
    "together": {"objective": "correlation", "restart": 0.3, "grow_at": 3, "dendrites_trainable": True},
}


def test_at_their_defaults_later_settings_are_in_no_key():
    for name in ("perforated", "continued", "widened-continued", "gd-dendrites", "random-dendrites", "unperforated"):
        type_ = METHODS.get(name).settings
        said = told(type_, asdict(type_()))
        assert not said.keys() & {"accept_margin", "restart", "grow_at", "delta", "score_rows", "sites"}
        assert told(type_, asdict(type_(restart="end")))["restart"] == "end"


def result(fitted):
    return fitted.predict(tiny_store(40, 5)).tobytes(), fitted.history, fitted.details, fitted.selection


class Stop:
    """A report that interrupts at its n-th call."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, report):
        self.left -= 1
        if self.left == 0:
            raise Interrupted("stop")


@pytest.mark.parametrize("name", CHOICES)
def test_a_run_stopped_anywhere_goes_on_bit_for_bit(name, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "REPORT_EVERY", 0.0)
    task = tiny_task(replace(GROWN, **CHOICES[name]), checkpoint=tmp_path / "state")
    expected = PERFORATED.fit(replace(task, checkpoint=None))
    assert {line.phase for line in expected.history} == {"neuron", "dendrite"}
    fitted, sittings = None, 0
    while fitted is None:
        sittings += 1
        try:
            fitted = PERFORATED.fit(replace(task, report=Stop(7)))
        except Interrupted:
            assert sittings < 200
    assert sittings > 3
    assert result(fitted) == result(expected)


@pytest.mark.parametrize(("restart", "factor"), [("peak", 1.0), ("end", None), (0.3, 0.3)])
def test_controls_restart_as_the_run_that_they_are_paired_with(restart, factor):
    perforated = PERFORATED.fit(tiny_task(replace(GROWN, restart=restart, grow_at=2), config=TinyConfig(hidden=40)))
    phases = [line.phase for line in perforated.history]
    assert phases[:5] == ["neuron", "neuron", "dendrite", "dendrite", "neuron"]
    pair = PairedRun(perforated.parameters, perforated.history)
    settings = CycleSettings(**SHORT, restart=restart)
    controls = [
        CONTINUED.fit(tiny_task(settings, paired=pair, config=TinyConfig(hidden=40))),
        WIDENED_CONTINUED.fit(tiny_task(settings, paired=pair, config=TinyConfig(hidden=40))),
    ]
    end = perforated.history[1].learning_rate
    first = [perforated.history[4].learning_rate, *(one.history[2].learning_rate for one in controls)]
    spans = [3, 5, 5]  # epochs of the cycles: 4 steps each, of which the rate of the last is in the history
    for rate, span in zip(first, spans, strict=True):
        assert rate == pytest.approx((end if factor is None else 1e-2 * factor) * cosine(3 / (4 * span)))
    for one in controls:
        assert one.history[:2] == perforated.history[:2] or one is controls[1]


def cosine(done):
    from math import cos, pi

    return 0.01 + 0.99 * 0.5 * (1 + cos(pi * done))


def test_growth_in_the_midst_of_the_first_phase_leaves_its_schedule_as_it_is():
    early, late = (PERFORATED.fit(tiny_task(replace(GROWN, grow_at=at))) for at in (0.5, None))
    assert early.history[:2] == late.history[:2]
    assert [line.phase for line in early.history[:3]] == ["neuron", "neuron", "dendrite"]
    assert longest_run(replace(GROWN, grow_at=0.5)) == longest_run(GROWN) - 2


@pytest.mark.parametrize(
    "changes", [{"restart": "start"}, {"grow_at": 1.5}, {"accept_margin": -1.0}, {"objective": "corr"}]
)
def test_settings_out_of_range_are_refused_when_they_are_set(changes):
    with pytest.raises(UsageError, match=next(iter(changes))):
        replace(GROWN, **changes)
