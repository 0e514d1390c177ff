"""What people hand over that is not what is asked for: a line that says what to give instead."""

import warnings

import pytest
import torch
from torch import nn

from dendrite_networks import adam
from pbgraph.dendrites import Growth, TrainingError, perforate
from pbgraph.errors import UsageError


def model():
    torch.manual_seed(0)
    return perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))


def loss_fn(model, x):
    return model(x).square().mean()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda net: torch.optim.Adam(net.parameters()), r"make_optimizer is a Adam; .*lambda groups: torch\.optim"),
        (lambda net: "adam", "make_optimizer is a str"),
        (lambda net: lambda groups: torch.optim.LBFGS(net.parameters()), "LBFGS evaluates the loss several times"),
        (lambda net: lambda groups: None, "make_optimizer returned a NoneType"),
    ],
)
def test_an_optimiser_that_no_phase_can_use(make, message):
    net = model()
    with pytest.raises((UsageError, TrainingError), match=message):
        Growth(net, make(net))


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (
            lambda opt, phase, k: torch.optim.lr_scheduler.ReduceLROnPlateau(opt),
            "ReduceLROnPlateau was made with mode='min', but growth's scores have mode='max'",
        ),
        (torch.optim.lr_scheduler.ExponentialLR(adam([{"params": [torch.zeros(1)]}]), 0.9), "make_scheduler is a Exp"),
        (lambda opt, phase, k: 0.9, "returned a float"),
    ],
)
def test_a_schedule_that_no_phase_can_use(scheduler, message):
    with pytest.raises((UsageError, TrainingError), match=message):
        Growth(model(), adam, make_scheduler=scheduler)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda net, x: loss_fn(net, x).item(), "loss_fn returned a float"),
        (lambda net, x: (loss_fn(net, x), {}), "loss_fn returned a tuple"),
        (lambda net, x: net(x), r"a tensor of shape \(5, 1\)"),
    ],
)
def test_a_loss_that_is_none(loss, message):
    with pytest.raises(TrainingError, match=message):
        Growth(model(), adam).step(loss, torch.randn(5, 2))


def run(scores, **settings):
    growth = Growth(model(), adam, max_dendrites=0, patience=3, **settings)
    for score in scores:
        growth.step(loss_fn, torch.randn(5, 2))
        growth.epoch_end(score)
        if growth.finished:
            break
    return growth


FALLING = (1.0, 0.8, 0.6, 0.5)


def test_a_falling_score_is_better_if_told_so():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        growth = run(FALLING, mode="min")
    assert (growth.best_score, growth.best_epoch, growth.finished) == (0.5, 3, False)


def test_a_score_that_looks_like_a_loss_is_warned_of():
    with pytest.warns(UserWarning, match=r'best after the first epoch .*give mode="min"'):
        growth = run(FALLING)
    assert (growth.best_epoch, growth.finished) == (0, True)


def test_a_gain_below_min_delta_is_none():
    growth = run((1.0, 1.05, 1.2), min_delta=0.1)
    assert (growth.best_score, growth.best_epoch) == (1.2, 2)
    growth = run((1.0, 0.95, 0.92, 0.91), mode="min", min_delta=0.1)
    assert (growth.best_score, growth.best_epoch, growth.finished) == (1.0, 0, True)


def test_the_way_scores_are_better_is_kept():
    growth = run(FALLING, mode="min")
    again = Growth(model(), adam, max_dendrites=0, patience=3, mode="min")
    again.load_state_dict(growth.state_dict())
    assert again.best_score == 0.5
    with pytest.raises(UsageError, match="mode is 'lower'; it must be one of max, min"):
        Growth(model(), adam, mode="lower")
