"""Settings of growth as the perforated method has them, and their counterparts in its controls."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from pbgraph.dendrites import perforate
from pbgraph.errors import Interrupted, PbgraphError, UsageError
from pbgraph.fields import field_names, told
from pbgraph.methods import session as session_module
from pbgraph.methods.base import METHODS, PairedRun
from pbgraph.methods.controls import CONTINUED, MatchedSettings
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings, longest_run
from pbgraph.methods.restore import restored
from pbgraph.methods.rows import rows_of_epoch
from pbgraph.methods.sites import sites_with_headroom
from pbgraph.methods.training import averaged, build_model
from pbgraph.methods.variants import GD_DENDRITES, RANDOM_DENDRITES, UNPERFORATED
from pbgraph.methods.widened import WIDENED_CONTINUED
from tiny_task import TINY, Stop, TinyConfig, tiny_store, tiny_task

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

SHORT = {"epochs": 4, "patience": 9, "batch_size": 50, "learning_rate": 1e-2, "schedule": "cosine"}
GROWN = PerforatedSettings(
    **SHORT, cycle_epochs=3, max_dendrites=1, max_tries=1, dendrite_epochs=2, dendrite_patience=9, priming_batches=2
)
CHOICES = {
    "objective": {"objective": "correlation", "pool": 2},
    "accept_margin": {"accept_margin": 0.5},
    "restart": {"restart": "end"},
    "grow_at": {"grow_at": 0.5},
    "clean": {"delta": "clean"},
    "held-out": {"score_rows": "held-out", "dendrite_epochs": 6},
    "clean and held-out": {"delta": "clean", "score_rows": "held-out", "sites": "encode", "dendrite_epochs": 4},
    "sites": {"sites": "dec*"},
    "headroom": {"sites": "headroom"},
    "together": {"objective": "correlation", "restart": 0.3, "grow_at": 3, "dendrites_trainable": True},
}


def test_at_their_defaults_later_settings_are_in_no_key():
    for name in ("perforated", "continued", "widened-continued", "gd-dendrites", "random-dendrites", "unperforated"):
        type_ = METHODS.get(name).settings
        said = told(type_, asdict(type_()))
        assert not said.keys() & {"accept_margin", "restart", "grow_at", "delta", "score_rows", "sites"}
        assert told(type_, asdict(type_(restart="end")))["restart"] == "end"


def test_records_tell_how_accepted_dendrites_do_on_validation_rows():
    fitted = PERFORATED.fit(tiny_task(GROWN, config=TinyConfig(hidden=40)))
    tried = {name: len(site.dendrites) for name, site in fitted.dendrites.sites.items()}
    assert {name: len(own) for name, own in fitted.correlations.items()} == tried
    assert all(-1 <= one <= 1 for own in fitted.correlations.values() for one in own)
    assert GD_DENDRITES.fit(tiny_task(GROWN)).correlations == {}


def result(fitted):
    return (
        fitted.predict(tiny_store(40, 5)).tobytes(),
        fitted.history,
        fitted.details,
        fitted.selection,
        fitted.correlations,
    )


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
    settings = MatchedSettings(**SHORT, restart=restart)
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


def test_a_control_of_neuron_phases_has_their_schedule_though_patience_ends_them():
    grown = replace(GROWN, cycle_epochs=12, patience=2, schedule="cosine", warmup_epochs=1.0)
    perforated = PERFORATED.fit(tiny_task(grown, config=TinyConfig(hidden=40)))
    of_neurons = [line.learning_rate for line in perforated.history if line.phase == "neuron"]
    assert len(of_neurons) < grown.epochs + grown.cycle_epochs
    pair = PairedRun(perforated.parameters, perforated.history, settings=asdict(grown))
    shared = {name: value for name, value in asdict(grown).items() if name in field_names(MatchedSettings)}
    settings = MatchedSettings(**shared, counted="neuron")
    for method in (CONTINUED, WIDENED_CONTINUED):
        control = method.fit(tiny_task(settings, paired=pair, config=TinyConfig(hidden=40)))
        assert [line.learning_rate for line in control.history] == pytest.approx(of_neurons)


def cosine(done):
    from math import cos, pi

    return 0.01 + 0.99 * 0.5 * (1 + cos(pi * done))


def test_growth_in_the_midst_of_the_first_phase_leaves_its_schedule_as_it_is():
    early, late = (PERFORATED.fit(tiny_task(replace(GROWN, grow_at=at))) for at in (0.5, None))
    assert early.history[:2] == late.history[:2]
    assert [line.phase for line in early.history[:3]] == ["neuron", "neuron", "dendrite"]
    assert longest_run(replace(GROWN, grow_at=0.5)) == longest_run(GROWN) - 2


def test_sites_are_those_that_are_named_and_a_saved_network_has_them_again():
    store = tiny_store(40, 5)
    fitted = PERFORATED.fit(tiny_task(replace(GROWN, sites="encode", max_dendrites=2, initial_w=0.1)))
    assert list(fitted.dendrites.sites) == ["encode"]
    assert fitted.details["dendrites"] >= 1
    again = restored(fitted.state(), TINY, "classification")
    assert again(store).tobytes() == averaged([fitted.predict(store)], "classification").tobytes()


@pytest.mark.parametrize(("sites", "chosen"), [("headroom:0.95", []), ("headroom", None)])
def test_sites_with_headroom_are_told_when_dendrites_are_to_grow(sites, chosen):
    """At an untrained network there is some; above 0.95 there is none, so that growth is over."""
    task = tiny_task(replace(GROWN, sites=sites, grow_at=1, learning_rate=1e-6))
    fitted = PERFORATED.fit(task)
    events = fitted.details["events"]
    assert events[0]["event"] == "sites"
    network = build_model(task)
    expected = sites_with_headroom(task, 0.95 if chosen == [] else 0.0, perforate(network, ["encode", "decode"]))
    assert set(events[0]["sites"]) == set(expected)
    if chosen is None:
        assert "decode" in expected
        assert set(events[1]["scores"]) == set(expected)
    else:
        assert [event["event"] for event in events] == ["sites", "finish"]
        assert len(fitted.history) == 1


def test_batches_of_dendrite_phases_are_the_same_in_every_epoch_and_hold_the_same_molecules_out():
    task = tiny_task(replace(GROWN, score_rows="held-out", batch_size=20))
    first, second = (rows_of_epoch(task, "dendrite", epoch) for epoch in (7, 8))
    assert (len(first.batches), first.fitted) == (10, 8)
    sets = [[frozenset(part.tolist()) for part in rows.batches] for rows in (first, second)]
    assert set(sets[0][:8]) == set(sets[1][:8])
    assert sets[0][:8] != sets[1][:8]
    assert sets[0][8:] == sets[1][8:]
    assert frozenset().union(*sets[0]) == frozenset(range(200))
    assert {len(part) for part in first.batches} == {20}
    assert rows_of_epoch(task, "neuron", 7).batches is None
    assert rows_of_epoch(tiny_task(GROWN), "dendrite", 7).batches is None
    clean = rows_of_epoch(tiny_task(replace(GROWN, delta="clean", batch_size=20)), "dendrite", 7)
    assert (len(clean.batches), clean.fitted) == (10, 10)
    with pytest.raises(PbgraphError, match="the 200 training rows are one batch; lower batch_size"):
        rows_of_epoch(tiny_task(replace(GROWN, score_rows="held-out", batch_size=500)), "dendrite", 0)


@pytest.mark.parametrize("method", [GD_DENDRITES, RANDOM_DENDRITES, UNPERFORATED], ids=lambda method: method.name)
def test_variants_take_the_settings_of_their_pair(method):
    """What never learns is not judged by held-out rows, and gets its dendrites."""
    settings = replace(GROWN, score_rows="held-out", delta="clean", sites="encode", restart="end", accept_margin=0.1)
    fitted = method.fit(tiny_task(settings))
    assert list(fitted.dendrites.sites) == ["encode"]
    if method is not UNPERFORATED:
        assert "accept" in [event["event"] for event in fitted.details["events"]]


WRONG = {
    "restart": ["start", 0.0],
    "grow_at": [1.5],
    "accept_margin": [-1.0],
    "objective": ["corr"],
    "delta": ["noisy"],
    "score_rows": ["some"],
    "sites": ["", "a++b", "headroom:2", "headroom:x", "heads:0.1"],
}


@pytest.mark.parametrize("changes", [{name: value} for name, values in WRONG.items() for value in values])
def test_settings_out_of_range_are_refused_when_they_are_set(changes):
    with pytest.raises(UsageError, match=next(iter(changes))):
        replace(GROWN, **changes)
