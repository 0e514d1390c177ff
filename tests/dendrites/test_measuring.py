"""Whoever measures a network that its passes change leaves it as it was, and has the same one for every batch."""

import pytest
import torch
from torch import nn

from dendrite_networks import sgd
from pbgraph.dendrites import Growth, dendrite_insight, headroom, perforate
from pbgraph.dendrites.generalising import signed_correlations
from pbgraph.dendrites.modes import evaluating


class Moving(nn.Module):
    """Every pass moves a buffer, a parameter behind autograd's back, a number and a list in the place of another."""

    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Linear(3, 4), nn.Linear(4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.number, self.seen = 0, ()

    def forward(self, x):
        self.calls += 1
        self.scale.data.mul_(1.5)
        self.number += 1
        self.seen = (*self.seen, len(x))
        return self.last(torch.tanh(self.layer(x) * self.scale)) * self.number


def loss_fn(model, pair):
    return (model(pair[0]) - pair[1]).square().mean()


def state(model):
    return model.calls.item(), model.scale.item(), model.number, model.seen


def measured(how, model, pairs):
    if how == "headroom":
        return headroom(model, pairs, loss_fn, folds=3, epochs=1)
    if how == "insight":
        return dendrite_insight(model, [x for x, _ in pairs])
    return signed_correlations(model, pairs, loss_fn, {"layer": [1.0] * 4})


@pytest.mark.parametrize("how", ["headroom", "insight", "correlations"])
def test_a_network_that_passes_change_is_left_as_it_was(how):
    torch.manual_seed(0)
    pairs = [(torch.randn(9, 3), torch.randn(9, 1)) for _ in range(3)]
    model = perforate(Moving(), ["layer"])
    grown = Growth(model, sgd(), max_epochs=1, cycle_epochs=1, dendrite_max_epochs=1, priming_batches=0)
    while not grown.dendrites:
        grown.step(loss_fn, pairs[0])
        grown.epoch_end(1.0)
    nn.init.normal_(grown.sites["layer"].w[0])
    before, modes = state(model), [module.training for module in model.modules()]
    assert measured(how, model, pairs) == measured(how, model, pairs)
    assert state(model) == before
    assert [module.training for module in model.modules()] == modes


def test_recurrent_layers_without_dropout_stay_in_training_mode_since_a_gpu_has_no_gradients_elsewhere():
    model = nn.ModuleDict(
        {
            "gru": nn.GRU(2, 2),
            "deep": nn.LSTM(2, 2, num_layers=2, dropout=0.1),
            "rest": nn.Sequential(nn.Linear(2, 2), nn.Dropout()),
        }
    )
    model.rest[1].eval()
    with evaluating(model):
        assert [name for name, module in model.named_modules() if module.training] == ["gru"]
    assert [name for name, module in model.named_modules() if not module.training] == ["rest.1"]


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_they_compute_the_same_there(kind):
    torch.manual_seed(0)
    layer, x = kind(3, 4, num_layers=2, bidirectional=True), torch.randn(5, 2, 3, requires_grad=True)
    found = []
    for mode in (True, False):
        y, _ = layer.train(mode)(x)
        found.append((y, *torch.autograd.grad(y.sin().sum(), x)))
    assert all(map(torch.equal, *found))
