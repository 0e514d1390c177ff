import math

import numpy as np
import pytest
import torch

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.methods.perforated import PerforatedSettings
from pbgraph.methods.training import (
    TrainSettings,
    build_model,
    class_weights,
    make_loss,
    predict,
    rate_factor,
    validation_score,
)
from tiny_task import tiny_regression, tiny_store, tiny_task

NAN = float("nan")


def test_class_weights_ignore_blanks_and_weigh_classes_equally():
    y = np.array([[0, NAN], [0, 1], [0, 1], [1, NAN]], np.float32)
    weights = class_weights(y)
    assert weights[:, 0].tolist() == pytest.approx([4 / 3, 4.0])
    assert weights[:, 1].tolist() == [1.0, 1.0]  # no negative: weight 1


def test_schedule_warms_up_and_ends_at_one_percent():
    factor = rate_factor(TrainSettings(schedule="cosine", warmup_epochs=1.0), steps_per_epoch=10, epochs=5)
    values = [factor(step) for step in range(60)]
    assert values[:10] == sorted(values[:10])
    assert values[0] > 0
    assert values[10] == pytest.approx(1.0)
    assert values[10:50] == sorted(values[10:50], reverse=True)
    assert values[50] == values[59] == pytest.approx(0.01)
    constant = rate_factor(TrainSettings(), steps_per_epoch=10, epochs=5)
    assert {constant(step) for step in range(60)} == {1.0}


@pytest.mark.parametrize("settings", [TrainSettings, PerforatedSettings])
@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"loss": "focal"},
        {"schedule": "step"},
        {"batch_size": -1},
        {"weight_decay": -1},
        {"clip_norm": -1},
    ],
)
def test_wrong_settings_are_refused_by_name(settings, wrong):
    with pytest.raises(UsageError, match=f"setting {next(iter(wrong))}"):
        settings(**wrong)


def test_predictions_keep_the_order_the_mode_and_the_random_stream():
    task = tiny_task(TrainSettings())
    model, store = build_model(task).train(), tiny_store(1100, 3)
    state = torch.get_rng_state()
    logits = predict(model, store, "classification")
    assert logits.shape == (1100, 2)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    some = np.array([700, 3, 512])
    np.testing.assert_allclose(predict(model, store.select(some), "classification"), logits[some], rtol=1e-5)


@pytest.mark.parametrize("task", [tiny_task(TrainSettings()), tiny_regression(TrainSettings(loss="squared-error"))])
@pytest.mark.parametrize("shape", [lambda y: y.T, lambda y: y[:, 0], lambda y: y.repeat(2, 1), lambda y: y[None, None]])
def test_outputs_of_another_shape_are_no_loss(task, shape):
    loss, batch = make_loss(task), task.train.batch(np.arange(5))
    right = torch.zeros(batch.y.shape)
    assert loss(lambda _: right, batch).isfinite()
    assert loss(lambda _: right[None], batch).isfinite()
    with pytest.raises(
        ValueError, match=r"the network gave \(.*\) for 5 graphs and \d targets, expected \(5, \d\), or"
    ):
        loss(lambda _: shape(right), batch)


def test_initial_weights_are_those_of_the_seed_alone():
    one, two = (build_model(tiny_task(TrainSettings(epochs=e))).state_dict() for e in (1, 2))
    other = build_model(tiny_task(TrainSettings(), seed=69)).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["encode.weight"], other["encode.weight"])


def test_validation_without_any_defined_task_is_an_error():
    task = tiny_task(TrainSettings())
    task.valid.y[:] = 1.0
    with pytest.raises(PbgraphError, match="choose another split or seed"):
        validation_score(build_model(task), task, 0)
    assert math.isfinite(validation_score(build_model(task), tiny_task(TrainSettings()), 0))
