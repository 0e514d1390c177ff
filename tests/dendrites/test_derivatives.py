"""Derivatives that a network takes of itself: dendrites are part of them, or they are refused."""

import pytest
import torch
from torch import nn

from dendrite_networks import adam, same, weights
from pbgraph.dendrites import Growth, SiteError, perforate

C = 4
LENGTHS = {"max_epochs": 1, "dendrite_max_epochs": 2, "cycle_epochs": 2, "max_dendrites": 2, "priming_batches": 0}


class Energy(nn.Module):
    """Energy and forces; the latter a constant for training unless `twice`."""

    def __init__(self, *, twice):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(C, 8), nn.SiLU(), nn.Linear(8, 1))
        self.twice = twice

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            e = self.net(x)
            return e, -torch.autograd.grad(e.sum(), x, create_graph=self.twice, retain_graph=True)[0]


def loss_fn(model, x):
    e, force = model(x)
    return (e - 1).square().mean() + (force - x).square().mean()


def adversarial(model, x):
    """A derivative that is taken in the loss, and a second pass at a place that depends on it."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(x).square().mean(), x)
    return model((x + 0.1 * slope.sign()).detach()).square().mean()


def forces(*, twice, **settings):
    torch.manual_seed(0)
    return Growth(perforate(Energy(twice=twice)), adam, switching="fixed", **LENGTHS | settings)


def data(seed=0):
    return torch.randn(6, C, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_a_derivative_in_the_forward_pass_is_refused(twice, foreign):
    growth = forces(twice=twice)
    with pytest.raises(SiteError, match=r"derivative through site 'net\.[02]'.*errors=\"through\""):
        one_step(growth, growth.as_optimizer() if foreign else None, data())


def test_a_derivative_in_the_loss_is_refused_and_with_errors_through_it_is_not():
    def made(**settings):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(C, 8), nn.Tanh(), nn.Linear(8, 1))
        return Growth(perforate(model), adam, switching="fixed", **LENGTHS | settings)

    with pytest.raises(SiteError, match="the loss is made of a derivative through site"):
        made().step(adversarial, data())
    through = made(errors="through")
    while not through.finished:
        through.step(adversarial, data())
        through.epoch_end(float(through.epoch))
    assert through.dendrites == 2


def test_a_derivative_in_a_dendrite_phase_alone_is_refused():
    """A curriculum that begins with forces when the network has stood still for a while."""
    growth = forces(twice=False)
    growth.model.net.requires_grad_(True)

    def energy_alone(model, x):
        return model.net(x).square().mean()

    growth.step(energy_alone, data())
    growth.epoch_end(0.0)
    assert growth.phase == "dendrite"
    with pytest.raises(SiteError, match="the loss is made of a derivative through site"):
        growth.step(loss_fn, data())


def one_step(growth, optimizer, x):
    if optimizer is None:
        return growth.step(loss_fn, x)
    optimizer.zero_grad()
    loss = loss_fn(growth.model.train(), x)
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize("twice", [False, True])
def test_forces_train_in_a_foreign_loop_as_in_growths_own(twice):
    """With errors through dendrites, bit for bit."""
    runs = []
    for foreign in (False, True):
        growth = forces(twice=twice, errors="through")
        optimizer = growth.as_optimizer() if foreign else None
        while not growth.finished:
            for seed in range(2):
                one_step(growth, optimizer, data(seed))
            growth.epoch_end(float(growth.epoch))
        assert growth.dendrites == 2
        runs.append(growth)
    assert runs[0].events == runs[1].events
    assert same(weights(runs[0].model), weights(runs[1].model))


def test_a_loop_may_evaluate_forces_between_its_steps():
    growth = forces(twice=True, errors="through")
    optimizer = growth.as_optimizer()
    one_step(growth, optimizer, data())
    assert growth.model.eval()(data())[1].shape == (6, C)
    growth.epoch_end(0.0)
    one_step(growth, optimizer, data())
    assert growth.phase == "dendrite"
