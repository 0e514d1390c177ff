import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.methods.training import (
    TrainSettings,
    build_model,
    class_weights,
    masked_cross_entropy,
    predict,
    rate_factor,
    validation_score,
)
from tiny_task import tiny_store, tiny_task

NAN = float("nan")


def test_plain_loss_is_the_mean_over_measured_cells():
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=torch.float64)
    y = torch.tensor([[1.0, NAN], [0.0, 1.0]], dtype=torch.float64)
    expected = log_loss([1, 0, 1], torch.sigmoid(torch.tensor([0.3, 2.0, 0.5], dtype=torch.float64)).numpy())
    assert masked_cross_entropy(logits, y).item() == pytest.approx(expected, rel=1e-12)


def test_blank_cells_have_no_influence_and_no_gradient():
    logits = torch.randn(4, 3, requires_grad=True)
    y = torch.full((4, 3), NAN)
    y[0, 0] = 1.0
    for weights in (None, torch.rand(2, 3) + 0.5):
        (gradient,) = torch.autograd.grad(masked_cross_entropy(logits, y, weights), logits)
        assert gradient[0, 0] != 0
        assert gradient.count_nonzero() == 1


def test_all_blank_batch_gives_zero_not_nan():
    y = torch.full((2, 3), NAN)
    assert masked_cross_entropy(torch.randn(2, 3), y).item() == 0
    assert masked_cross_entropy(torch.randn(2, 3), y, torch.ones(2, 3)).item() == 0


def test_class_weights_ignore_blanks_and_weigh_classes_equally():
    y = np.array([[0, NAN], [0, 1], [0, 1], [1, NAN]], np.float32)
    weights = class_weights(y)
    assert weights[:, 0].tolist() == pytest.approx([4 / 3, 4.0])
    assert weights[:, 1].tolist() == [1.0, 1.0]  # no negative: weight 1


def test_weighted_loss_agrees_with_torch_cross_entropy_on_two_logits():
    torch.manual_seed(0)
    two_logits = torch.randn(10, 2, dtype=torch.float64)
    target, weights = torch.randint(0, 2, (10,)), torch.tensor([1.2, 6.0], dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(two_logits, target, weight=weights)
    difference = (two_logits[:, 1] - two_logits[:, 0])[:, None]
    ours = masked_cross_entropy(difference, target[:, None].double(), weights[:, None])
    assert torch.allclose(ours, expected, rtol=1e-12)


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


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"loss": "focal"}, {"schedule": "step"}, {"batch_size": -1}])
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainSettings(**wrong)


def test_predictions_keep_the_order_the_mode_and_the_random_stream():
    task = tiny_task(TrainSettings())
    model, store = build_model(task).train(), tiny_store(1100, 3)
    state = torch.get_rng_state()
    logits = predict(model, store)
    assert logits.shape == (1100, 2)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    some = np.array([700, 3, 512])
    np.testing.assert_allclose(predict(model, store.select(some)), logits[some], rtol=1e-5)


def test_initial_weights_are_those_of_the_seed_alone():
    one, two = (build_model(tiny_task(TrainSettings(epochs=e))).state_dict() for e in (1, 2))
    other = build_model(tiny_task(TrainSettings(), seed=69)).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["encode.weight"], other["encode.weight"])


def test_validation_without_any_defined_task_is_an_error():
    task = tiny_task(TrainSettings())
    task.valid.y[:] = 1.0
    with pytest.raises(PbgraphError, match="choose another split or seed"):
        validation_score(build_model(task), task)
    assert math.isfinite(validation_score(build_model(task), tiny_task(TrainSettings())))
