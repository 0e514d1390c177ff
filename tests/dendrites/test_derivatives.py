"""Networks that take derivatives of themselves, and networks that keep states: neither is silently wrong."""

import pytest
import torch
from torch import nn

from dendrite_networks import adam, same, weights
from pbgraph.dendrites import Growth, SiteError, WrongTypeError, perforate

C = 3
LENGTHS = {"max_dendrites": 1, "max_epochs": 1, "dendrite_max_epochs": 2, "cycle_epochs": 1, "priming_batches": 0}


class Forces(nn.Module):
    """(energy, the forces: its derivative, taken within the forward pass in one of three ways)."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.net = nn.Sequential(nn.Linear(C, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            e = self.net(x)
            if self.way == "backward":
                e.sum().backward(retain_graph=True)
                return e, -x.grad
            twice = self.way == "twice"
            (slope,) = torch.autograd.grad(e.sum(), x, create_graph=twice, retain_graph=True)
        return e, -slope


def energy_loss(model, batch):
    x, y = batch
    e, forces = model(x)
    return (e - y).square().mean() + forces.square().mean()


def data(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(6, C, generator=g), torch.randn(6, 1, generator=g)


def made(way, **options):
    torch.manual_seed(0)
    return Growth(perforate(Forces(way)), adam, **LENGTHS | options)


def own_step(growth, batch):
    return growth.step(energy_loss, batch)


def foreign_step(growth, batch):
    optimizer = growth.as_optimizer()
    optimizer.zero_grad()
    loss = energy_loss(growth.model.train(), batch)
    loss.backward()
    optimizer.step()
    return loss.detach()


@pytest.mark.parametrize("step", [own_step, foreign_step])
@pytest.mark.parametrize("way", ["once", "backward", "twice"])
def test_a_derivative_without_dendrites_is_refused_in_the_first_step(way, step):
    growth = made(way)
    growth.model.train()
    growth.model(data()[0])  # nobody's business yet
    if step is foreign_step:
        growth.as_optimizer()
    with pytest.raises(SiteError, match=r"a derivative through site 'net.2'.*errors=\"through\""):
        step(growth, data())


def test_a_derivative_is_refused_outside_of_the_model_too():
    def adversarial(model, batch):
        x = batch[0].clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(x).square().mean(), x)
        return model(x + 0.1 * slope.sign()).square().mean()

    torch.manual_seed(0)
    growth = Growth(perforate(Forces("once").net), adam, **LENGTHS)
    with pytest.raises(SiteError, match="a derivative through site"):
        growth.step(adversarial, data())


def test_evaluation_between_steps_of_another_loop_is_free():
    growth = made("once")
    growth.as_optimizer()
    growth.model.eval()
    growth.model(data()[0])


@pytest.mark.parametrize("way", ["once", "twice"])
def test_with_errors_through_another_loop_grows_as_growths_own(way):
    states = []
    for step in (own_step, foreign_step):
        growth = made(way, errors="through")
        while not growth.finished:
            for seed in (0, 1):
                step(growth, data(seed))
            growth.epoch_end(float(growth.epoch))
        assert growth.dendrites == 1
        states.append(weights(growth.model))
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scaler", [3, "auto", torch.nn.Linear(1, 1)])
def test_a_scaler_that_is_none_is_a_type_error(scaler):
    growth = made("twice", errors="through")
    for use in (lambda: made("twice", scaler=scaler), lambda: setattr(growth, "scaler", scaler)):
        with pytest.raises(
            TypeError, match=r"scaler is a .*which has no .*give a torch.amp.GradScaler or None"
        ) as error:
            use()
        assert isinstance(error.value, WrongTypeError)


class Stateful(nn.Module):
    """Its hidden state is None until the first call, and then what the last call left."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(C, C), nn.Linear(C, 1)
        self.h = None

    def forward(self, x):
        h = torch.tanh(self.layer(x) + (0 if self.h is None else self.h))
        self.h, self.seen = h.detach(), (h.detach(), len(x))
        return self.head(h)


def state_loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def test_states_are_put_back_by_probes_and_dendrite_phases():
    torch.manual_seed(0)
    model = perforate(Stateful(), example=data()[0])
    assert model.h is None
    assert not hasattr(model, "seen")
    growth = Growth(model, adam, **LENGTHS)
    growth.step(state_loss, data())
    growth.epoch_end(0.0)
    assert growth.phase == "dendrite"
    known, seen = model.h.clone(), model.seen
    for seed in (1, 2):
        growth.step(state_loss, data(seed))
        assert same(model.h, known)
        assert model.seen is seen
    growth.epoch_end(None)
