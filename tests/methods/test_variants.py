"""Variants and controls of the perforated method on a small task."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit

from pbgraph.errors import Interrupted, PbgraphError, UsageError
from pbgraph.methods import session as session_module
from pbgraph.methods.backprop import BACKPROP
from pbgraph.methods.base import METHODS, PairedRun
from pbgraph.methods.controls import MatchedSettings, cycle_lengths
from pbgraph.methods.ensemble import ENSEMBLE
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings
from pbgraph.methods.training import TrainSettings, build_model, parameter_count
from pbgraph.methods.variants import GD_DENDRITES, RANDOM_DENDRITES, UNPERFORATED
from pbgraph.methods.widened import WIDENED, WIDENED_CONTINUED, bracket, widened
from pbgraph.models.trimnet import TRIMNET, TrimNetConfig
from tiny_task import Stop, TinyConfig, tiny_store, tiny_task

pytestmark = pytest.mark.lengthy

SHORT = {"epochs": 4, "patience": 4, "batch_size": 50, "learning_rate": 1e-2}
GROWN = PerforatedSettings(
    **SHORT, cycle_epochs=3, max_dendrites=2, max_tries=1, dendrite_epochs=2, dendrite_patience=9, priming_batches=2
)
WIDE = TinyConfig(hidden=40)


@pytest.fixture(scope="module")
def perforated():
    return PERFORATED.fit(tiny_task(GROWN, config=WIDE))


@pytest.fixture(scope="module")
def pair(perforated):
    return PairedRun(perforated.parameters, perforated.history)


def task(settings, pair, **changes):
    return tiny_task(settings, config=WIDE, paired=pair, **changes)


@pytest.mark.parametrize("method", [GD_DENDRITES, RANDOM_DENDRITES, UNPERFORATED], ids=lambda method: method.name)
def test_variants_begin_as_the_perforated_run_and_grow(method, perforated, pair):
    fitted = method.fit(task(GROWN, pair))
    assert fitted.history[:4] == perforated.history[:4]
    assert max(line.dendrites for line in fitted.history) >= 1
    assert fitted.selection.score == max(line.valid for line in fitted.history)
    dendrite_epochs = [line.phase for line in fitted.history].count("dendrite")
    accepted = [event for event in fitted.details["events"] if event["event"] == "accept"]
    expected = {"gd-dendrites": 0, "random-dendrites": len(accepted), "unperforated": 2 * len(accepted)}
    assert dendrite_epochs == expected[method.name]
    for site in fitted.dendrites.sites.values():
        assert len(site.dendrites) == len(accepted)
        assert sum(one.outcome == "kept" for one in site.dendrites) == fitted.details["dendrites"]
        assert {len(one.mean_correlation) * len(accepted) for one in site.dendrites} == {dendrite_epochs}


def test_variants_differ_from_the_perforated_run_and_each_other(perforated, pair):
    fitted = [method.fit(task(GROWN, pair)) for method in (GD_DENDRITES, RANDOM_DENDRITES, UNPERFORATED)]
    losses = [tuple(line.train_loss for line in one.history) for one in (perforated, *fitted)]
    assert len(set(losses)) == 4


def test_random_dendrites_never_learn_whatever_the_paired_run_does(pair):
    frozen, trained = (
        RANDOM_DENDRITES.fit(task(replace(GROWN, dendrites_trainable=trained), pair)) for trained in (False, True)
    )
    assert frozen.predict(tiny_store(40, 5)).tobytes() == trained.predict(tiny_store(40, 5)).tobytes()
    assert frozen.history == trained.history
    assert "dendrites_trainable" not in {*GD_DENDRITES.space, *RANDOM_DENDRITES.space}


def test_widened_has_the_parameters_of_its_pair(perforated, pair):
    fitted = WIDENED.fit(task(TrainSettings(**SHORT), pair))
    assert abs(fitted.parameters - perforated.parameters) <= 0.01 * perforated.parameters
    assert fitted.parameters == parameter_count(
        build_model(tiny_task(None, config=TinyConfig(**fitted.details["width"])))
    )
    assert fitted.details["matched_parameters"] == perforated.parameters
    assert fitted.epochs == 4
    both = WIDENED_CONTINUED.fit(task(MatchedSettings(**SHORT), pair))
    assert (both.parameters, both.epochs) == (fitted.parameters, sum(cycle_lengths(pair.history)))
    assert both.history[:4] == fitted.history


@pytest.mark.parametrize("target", [1, 7, 1000, 10**6])
def test_a_width_is_found_wherever_one_matches(target):
    assert bracket(lambda width: 7 * width, 7 * target, "width").match == target


def test_a_width_that_changes_nothing_is_said_and_one_that_goes_by_steps_is_found():
    with pytest.raises(UsageError, match=r"hidden up to \d+ does not change the 500 parameters"):
        bracket(lambda width: 500, 1000, "hidden")
    assert bracket(lambda width: 100 * -(-width // 64), 1000, "hidden").above == (577, 1000)


def test_where_no_width_matches_the_two_nearest_are_named(pair):
    small = replace(pair, parameters=40)
    with pytest.raises(
        PbgraphError, match=r"no width of tiny gives 40 parameters within 1%; the nearest are hidden \d+ with \d+ and"
    ):
        WIDENED.fit(task(TrainSettings(**SHORT), small))


@pytest.mark.parametrize("kind", [UsageError, ValueError])
def test_widths_that_the_model_refuses_as_too_small_count_as_such(kind, pair):
    @dataclass(frozen=True)
    class Choosy(TinyConfig):
        def __post_init__(self) -> None:
            if self.hidden < 8:
                raise kind("hidden below 8")

    job = tiny_task(TrainSettings(**SHORT), config=Choosy(hidden=40), paired=replace(pair, parameters=40))
    with pytest.raises(PbgraphError, match=r"no width of tiny gives 40 parameters within 1%"):
        WIDENED.fit(job)


def test_what_the_width_cannot_match_the_fine_width_makes_up():
    paired = PairedRun(3000, ())
    fit_task = tiny_task(None, model=TRIMNET, config=TrimNetConfig(hidden=4, depth=1, output_hidden=16), paired=paired)
    wide = widened(fit_task)
    assert wide.config.hidden > 4
    assert wide.config.output_hidden > 16
    assert parameter_count(build_model(wide)) == pytest.approx(3000, rel=0.01)


def test_an_ensemble_averages_plain_models_with_the_pairs_parameters(perforated, pair):
    settings, store = TrainSettings(**SHORT), tiny_store(30, 3)
    fitted = ENSEMBLE.fit(task(settings, pair))
    plain = BACKPROP.fit(task(settings, None))
    count = fitted.details["members"]
    assert count == round(perforated.parameters / plain.parameters) > 1
    assert fitted.parameters == count * plain.parameters
    assert fitted.epochs == len(fitted.history) == 4 * count
    assert fitted.history[:4] == plain.history
    assert fitted.history[4].train_loss != plain.history[0].train_loss
    assert fitted.details["member_scores"][0] == plain.selection.score
    one = ENSEMBLE.fit(task(settings, replace(pair, parameters=plain.parameters)))
    np.testing.assert_array_equal(one.predict(store), expit(plain.predict(store)))


def test_an_interrupted_ensemble_goes_on_bit_for_bit(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "REPORT_EVERY", 0.0)
    store = tiny_store(30, 3)
    whole = task(TrainSettings(**SHORT), pair, checkpoint=tmp_path / "key.safetensors")
    expected = ENSEMBLE.fit(replace(whole, checkpoint=None)).predict(store)
    sittings = 0
    while True:
        sittings += 1
        try:
            fitted = ENSEMBLE.fit(replace(whole, report=Stop(7)))
            break
        except Interrupted:
            assert sittings < 50
    assert sittings > 2
    np.testing.assert_array_equal(fitted.predict(store), expected)
    left = {path.name for path in tmp_path.iterdir()}  # until the run's record is written
    assert left <= {f"key.member-{number}.safetensors" for number in range(fitted.details["members"])}


def test_every_method_of_the_table_is_registered_and_controls_are_paired():
    controls = {
        "continued",
        "widened",
        "widened-continued",
        "gd-dendrites",
        "random-dendrites",
        "unperforated",
        "ensemble",
    }
    assert controls | {"backprop", "perforated"} <= set(METHODS.names())
    assert all(METHODS.get(name).control_of == "perforated" for name in controls)
