"""What people hand over that is not what is asked for: a line that says what to give instead."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from dendrite_networks import adam
from pbgraph.dendrites import Growth, SiteError, TrainingError, export, load_network, perforate, save_network, sites_of
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
        (lambda net: lambda groups: adam(groups[0]["params"][:1]), "lacks 3 of the 4 parameters of the groups"),
    ],
)
def test_an_optimiser_that_no_phase_can_use(make, message):
    net = model()
    with pytest.raises((UsageError, TrainingError), match=message):
        Growth(net, make(net))


def test_what_cannot_choose_sites():
    with pytest.raises(UsageError, match="choose_sites is a list; it must be a function"):
        Growth(model(), adam, choose_sites=["0"])
    for wrong in (None, "0", 3, [0]):
        grown = Growth(model(), adam, choose_sites=lambda _, wrong=wrong: wrong, grow_at=1)
        grown.step(loss_fn, torch.ones(2, 2))
        with pytest.raises(UsageError, match=r"choose_sites returned .*; it must return a list of names of sites"):
            grown.epoch_end(0.0)


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


@pytest.mark.parametrize("score", [torch.tensor(0.5, requires_grad=True), torch.tensor([0.5]), np.float32(0.5)])
def test_a_score_is_a_number_of_python(score, tmp_path):
    growth = run([score])
    assert type(growth.best_score) is float
    growth.save(tmp_path / "growth")  # numbers of other kinds cannot be


@pytest.mark.parametrize("score", [torch.ones(2), "0.5", [0.5], None, float("nan")])
def test_a_score_that_is_none(score):
    with pytest.raises(TrainingError, match="the validation score is"):
        run([score])


def test_an_epoch_without_a_step_is_none():
    growth = Growth(model(), adam, patience=2)
    with pytest.raises(TrainingError, match="without a step"):
        growth.epoch_end(0.5)
    growth.step(loss_fn, torch.randn(5, 2))
    again = Growth(model(), adam, patience=2)
    again.load_state_dict(growth.state_dict())
    for one in (growth, again):
        one.epoch_end(0.5)
        with pytest.raises(TrainingError, match="without a step"):
            one.epoch_end(0.5)
        assert one.epoch == 1


@pytest.mark.parametrize(
    "loss",
    [
        lambda net, x: loss_fn(net, x).detach(),
        lambda net, x: torch.tensor(1.0),
        lambda net, x: torch.no_grad()(loss_fn)(net, x),
        lambda net, x: loss_fn(net, x) + 0j,
    ],
)
def test_a_loss_to_which_nothing_leads_back(loss):
    with pytest.raises(TrainingError, match="the loss at step 0 of a neuron phase is"):
        Growth(model(), adam).step(loss, torch.randn(5, 2))


def test_a_network_with_nothing_to_train():
    with pytest.raises(TrainingError, match="all parameters of the network have requires_grad=False"):
        Growth(model().requires_grad_(False), adam)


def test_a_second_growth_in_a_dendrite_phase_of_the_first():
    net = model()
    growth = Growth(net, adam, max_epochs=1)
    growth.step(loss_fn, torch.randn(5, 2))
    growth.epoch_end(0.5)
    with pytest.raises(SiteError, match=r"site '0' has candidates in it: .*restore_best\(\)"):
        Growth(net, adam)
    growth.restore_best()
    Growth(net, adam).step(loss_fn, torch.randn(5, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_dendrites": 1.5}, "max_dendrites is 1.5; it must be a whole number"),
        ({"max_dendrites": None}, "max_dendrites is None; it must be a whole number"),
        ({"pool": True}, "pool is True"),
        ({"patience": "3"}, "patience is '3'"),
        ({"max_epochs": 2.5}, "max_epochs is 2.5; it must be a whole number or None"),
        ({"clip_norm": None}, "clip_norm is None; it must be a number$"),
        ({"init_scale": "a"}, "init_scale is 'a'"),
        ({"settings": {"patience": 3}}, "settings is a dict; give GrowthSettings"),
        ({"schedule_by": "batch"}, "schedule_by is 'batch'; it must be one of step, epoch"),
    ],
)
def test_settings_of_another_kind(changes, message):
    with pytest.raises(UsageError, match=message):
        Growth(model(), adam, **changes)


def test_numbers_of_numpy_are_numbers():
    assert Growth(model(), adam, patience=np.int64(3), threshold=np.float32(0.5)).settings.patience == 3


@pytest.mark.parametrize("use", [perforate, sites_of, export, lambda net: Growth(net, adam)])
def test_what_is_no_module(use):
    with pytest.raises(UsageError, match="the model is a NoneType; give a torch"):
        use(None)


def test_a_state_of_the_other_kind(tmp_path):
    growth = Growth(model(), adam)
    growth.save(tmp_path / "growth")
    save_network(growth.model, tmp_path / "network")
    with pytest.raises(SiteError, match=r"try dendrites\.load_network"):
        growth.load(tmp_path / "network")
    with pytest.raises(SiteError, match=r"try Growth\.load"):
        load_network(model(), tmp_path / "growth")


def test_a_lazy_layer_with_an_example():
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    with pytest.raises(SiteError, match=r"the model's 0\.weight has no shape yet: run one batch"):
        perforate(net, example=torch.randn(5, 2))


class Doubles(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x.mul_(2))


def test_a_site_that_changes_its_inputs():
    net = perforate(nn.Sequential(Doubles(), nn.Linear(2, 1)), ["0", "1"])
    with pytest.raises(SiteError, match="site '0' changes its inputs in place"):
        Growth(net, adam).step(loss_fn, torch.randn(5, 2))


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: torch.vmap(net)(x),
        lambda net, x: torch.func.grad(lambda z: net(z).sum())(x),
        lambda net, x: torch.func.jvp(net, (x,), (torch.ones_like(x),))[1],
    ],
)
def test_transforms_of_torch_func(call):
    def loss(net, x):
        return call(net, x).square().mean()

    with pytest.raises(SiteError, match=r"site '0' is called within a transform of torch\.func"):
        Growth(model(), adam).step(loss, torch.randn(5, 2))
    Growth(model(), adam, max_dendrites=0).step(loss, torch.randn(5, 2))


def test_copies_of_data_parallel_are_refused():
    with pytest.raises(
        SiteError, match=r"site '0' cannot be trained by torch\.nn\.DataParallel.*distribute=Distributed"
    ):
        model()[0]._replicate_for_data_parallel()
