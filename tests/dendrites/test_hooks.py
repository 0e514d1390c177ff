"""Hooks on a layer that becomes a site: they are called for what stands there, once, and never for a dendrite."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from dendrite_networks import adam
from pbgraph.dendrites import Growth, SiteError, export, perforate, sites_of

C = 4


class Captured(nn.Module):
    """A feature is taken from a layer by a hook and used at the end."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(C, C), nn.Linear(C, 1)
        self.features = {}

    def forward(self, x):
        y = self.second(torch.tanh(self.first(x)))
        return y + self.features["first"].sum(-1, keepdim=True)


def captured():
    torch.manual_seed(0)
    model = Captured()
    handle = model.first.register_forward_hook(lambda layer, x, y: model.features.update(first=y))
    return model, handle


def grown(model):
    growth = Growth(model, adam, max_dendrites=1, max_epochs=1, dendrite_max_epochs=2, priming_batches=0)
    x = torch.randn(6, C)
    while not growth.dendrites:
        growth.step(lambda net, batch: net(batch).square().mean(), x)
        before = model.eval()(x)
        growth.epoch_end(float(growth.epoch))
        assert torch.equal(model.eval()(x), before)
    for site in growth.sites.values():
        nn.init.normal_(site.w[0])
    return model


def test_a_hook_sees_what_the_site_returns_and_no_dendrite():
    model, _ = captured()
    grown(perforate(model))
    x = torch.randn(5, C)
    model(x)
    assert torch.equal(model.features["first"], sites_of(model)["first"](x))
    assert torch.equal(export(model)(x), model(x))


def test_a_hook_can_be_removed_and_comes_back_with_the_layer():
    model, handle = captured()
    hooks = dict(model.first._forward_hooks)
    perforate(model)
    assert dict(export(model).first._forward_hooks) == hooks
    handle.remove()
    assert not sites_of(model)["first"]._forward_hooks


def test_after_an_error_hooks_are_where_they_were():
    model, _ = captured()
    hooks = model.first._forward_hooks
    model.second.register_forward_hook(lambda layer, x, y: y if type(layer) is nn.Linear else y + 1)
    with pytest.raises(SiteError, match="'second' cannot be a site"):
        perforate(model, example=torch.randn(5, C))
    assert model.first._forward_hooks is hooks
    assert hooks
    assert model.second._forward_hooks


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("kind", ["pre", "backward", "backward_pre"])
def test_other_hooks_are_called_once(kind):
    model = nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1))
    seen = []
    register = {
        "pre": model[0].register_forward_pre_hook,
        "backward": model[0].register_full_backward_hook,
        "backward_pre": model[0].register_full_backward_pre_hook,
    }[kind]
    register(lambda *_: seen.append(1))
    grown(perforate(model))
    seen.clear()
    model(torch.randn(5, C)).sum().backward()
    assert seen == [1]


class _Own(prune.L1Unstructured):
    """A way of pruning of somebody's own."""


@pytest.mark.parametrize(
    "wrap",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        parametrizations.weight_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
        lambda layer: _Own.apply(layer, "weight", 0.5) and layer,
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_computes_weights_stays_with_the_layer(wrap):
    torch.manual_seed(0)
    model = nn.Sequential(wrap(nn.Linear(C, C)), nn.Tanh(), nn.Linear(C, 1))
    hooks = list(model[0]._forward_pre_hooks.values())
    perforate(model, ["0", "2"], reset="parent", example=torch.randn(5, C))
    assert list(model[0].parent._forward_pre_hooks.values()) == hooks
    assert not model[0]._forward_pre_hooks
    grown(model)
