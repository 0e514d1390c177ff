"""Every method on tasks whose labels are numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.errors import UsageError
from pbgraph.methods.backprop import BACKPROP
from pbgraph.methods.base import METHODS, PairedRun
from pbgraph.methods.ensemble import averaged
from pbgraph.methods.perforated import PERFORATED, PerforatedSettings
from pbgraph.methods.targets import TargetScale, masked_squared_error
from pbgraph.methods.training import TrainSettings, build_model, make_loss, make_predictor, predict, validation_score
from tiny_task import TinyConfig, tiny_regression, tiny_store, with_numbers

pytestmark = pytest.mark.lengthy

SHORT = {"epochs": 25, "patience": 25, "batch_size": 32, "learning_rate": 1e-2, "loss": "squared-error"}
GROWN = PerforatedSettings(
    **{**SHORT, "epochs": 4}, cycle_epochs=3, max_dendrites=1, dendrite_epochs=3, dendrite_patience=2, priming_batches=2
)
WIDE = TinyConfig(hidden=40)  # so that a width matches the dendrites' parameters


def spread(y):
    """RMSE of predicting each task's mean, meaned over tasks."""
    return float(np.nanstd(y, axis=0).mean())


@given(st.lists(st.lists(st.sampled_from([np.nan, -3.0, 0.5, 2.0]), min_size=2, max_size=2), min_size=1, max_size=9))
def test_scaled_targets_have_mean_0_and_deviation_1_and_come_back(rows):
    y = np.array(rows, np.float32)
    scale = TargetScale.of(y)
    z = scale.standardised(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(scale.restored(z), y, rtol=1e-5, atol=1e-5)
    for column in z.T:
        column = column[~np.isnan(column)]
        if len(column):
            assert abs(column.mean()) < 1e-5
            assert column.std() == pytest.approx(1 if len(set(column.tolist())) > 1 else 0, abs=1e-5)


def test_squared_error_is_the_mean_over_measured_cells_and_blank_ones_have_no_gradient():
    predictions = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    y = torch.tensor([[0.0, float("nan")], [3.0, 2.0]])
    loss = masked_squared_error(predictions, y)
    assert loss.item() == pytest.approx((1 + 0 + 9) / 3)
    (gradient,) = torch.autograd.grad(loss, predictions)
    assert gradient.tolist() == [[pytest.approx(2 / 3), 0.0], [0.0, pytest.approx(2.0)]]
    assert masked_squared_error(predictions, torch.full((2, 2), float("nan"))).item() == 0


def test_targets_are_scaled_by_training_rows_alone():
    task = tiny_regression(TrainSettings(**SHORT))
    elsewhere = replace(task, valid=replace(task.valid, y=task.valid.y * 50 - 7))
    batch, model = task.train.as_batch(), build_model(task).eval()
    assert make_loss(task)(model, batch).item() == make_loss(elsewhere)(model, batch).item()
    there, here = (make_predictor(model, one)(task.valid) for one in (elsewhere, task))
    np.testing.assert_array_equal(there, here)
    scale = TargetScale.of(task.train.y)
    np.testing.assert_allclose(scale.mean, np.nanmean(task.train.y.astype(np.float64), axis=0), rtol=1e-6)
    np.testing.assert_allclose(here, predict(model, task.valid, "regression") * scale.std + scale.mean, rtol=1e-6)
    fitted = [BACKPROP.fit(replace(one, settings=replace(one.settings, epochs=1))) for one in (task, elsewhere)]
    np.testing.assert_array_equal(*(each.predict(task.valid) for each in fitted))


def test_the_unit_of_a_target_does_not_matter():
    task = tiny_regression(TrainSettings(**SHORT))
    other = replace(task, train=replace(task.train, y=task.train.y * 8))
    batches = task.train.as_batch(), other.train.as_batch()
    losses = [
        make_loss(one)(build_model(one).eval(), batch).item() for one, batch in zip((task, other), batches, strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_backprop_learns_in_the_units_of_the_targets():
    task = tiny_regression(TrainSettings(**SHORT))
    fitted = BACKPROP.fit(task)
    assert fitted.selection.score == max(line.valid for line in fitted.history)
    assert -fitted.selection.score < 0.5 * spread(task.valid.y)
    assert task.metric(task.valid.y, fitted.predict(task.valid)) == fitted.selection.score


@pytest.fixture(scope="module")
def perforated():
    return PERFORATED.fit(tiny_regression(GROWN, config=WIDE))


def test_dendrites_are_kept_where_they_lower_the_error(perforated):
    plain = [line.valid for line in perforated.history if not line.dendrites and line.phase == "neuron"]
    grown = [line.valid for line in perforated.history if line.dendrites and line.phase == "neuron"]
    assert grown
    assert perforated.selection.score == max(plain + grown) < 0
    assert perforated.details["dendrites"] == (1 if max(grown) > max(plain) else 0)


CONTROLS = [name for name in METHODS if METHODS.get(name).control_of]


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_of_a_perforated_run_takes_numbers(name, perforated):
    method, short = METHODS.get(name), {**SHORT, "epochs": 2}
    settings = GROWN if method.settings is PerforatedSettings else method.settings(**short)
    task = tiny_regression(settings, paired=PairedRun(perforated.parameters, perforated.history), config=WIDE)
    fitted = method.fit(task)
    predictions = fitted.predict(task.valid)
    assert predictions.shape == task.valid.y.shape
    assert task.metric(task.valid.y, predictions) == pytest.approx(fitted.selection.score)
    assert abs(predictions[:, 0].mean() - np.nanmean(task.valid.y[:, 0])) < 2 * np.nanstd(task.valid.y[:, 0])


def test_an_ensemble_averages_values_of_regression_and_probabilities_of_classification():
    values = [np.array([[2.0]]), np.array([[4.0]])]
    assert averaged(values, "regression") == 3.0
    assert averaged(values, "classification") == pytest.approx((1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(-4))) / 2)


@pytest.mark.parametrize(("kind", "loss"), [("regression", "bce"), ("classification", "squared-error")])
def test_a_loss_that_does_not_fit_the_kind_is_refused(kind, loss):
    task = tiny_regression(TrainSettings(loss=loss), kind=kind)
    with pytest.raises(UsageError, match=f"loss '{loss}' is for .* and these are {kind} tasks; set loss to"):
        make_loss(task)


def test_validation_without_a_target_is_an_error():
    task = tiny_regression(TrainSettings(**SHORT))
    blank = replace(task.valid, y=np.full_like(task.valid.y, np.nan))
    with pytest.raises(Exception, match="none of the 2 tasks has targets enough"):
        validation_score(build_model(task), replace(task, valid=blank, metric=lambda y, scores: None), 0)


def test_the_network_is_that_of_classification():
    store = with_numbers(tiny_store(5, 3))
    assert predict(build_model(tiny_regression(TrainSettings(**SHORT))), store, "regression").shape == (5, 2)
