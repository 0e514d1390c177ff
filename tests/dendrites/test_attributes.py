"""A layer that has become a site is asked for whatever the network asks its layer for, and answers as the layer did."""

import copy

import pytest
import torch
from torch import nn

from dendrite_networks import adam
from pbgraph.dendrites import Growth, PerforatedSite, Site, SiteError, export, perforate, sites_of
from pbgraph.dendrites.discovery import LayerNormed, in_turn

C = 4
ONE_CYCLE = {"max_dendrites": 1, "max_epochs": 1, "dendrite_max_epochs": 1, "cycle_epochs": 1, "priming_batches": 0}


def names_of_a_site():
    """Whatever a site, its module or an export of it might have under a name of its own."""
    site = PerforatedSite(nn.Linear(C, C), "it")
    own = {*vars(Site), *vars(sites_of(nn.Sequential(site))["0"]), *vars(PerforatedSite)}
    parts = {"parent", "dendrites", "w", "candidates", "layer", "norms", "principal", "principal_name", "neurons"}
    return sorted(name for name in own | parts if not name.startswith("__") and not hasattr(nn.Module, name))


class Named(nn.Linear):
    """A layer with an attribute of each of these names, which its network reads, sets and calls."""

    def __init__(self, names):
        super().__init__(C, C)
        for place, name in enumerate(names):
            setattr(self, name, 1.0 + place / 100)
        self.scale = nn.Parameter(torch.ones(C))
        self.names = names

    def reset_parameters(self):
        super().reset_parameters()
        if hasattr(self, "scale"):
            nn.init.ones_(self.scale)

    def forward(self, x):
        return super().forward(x) * self.scale


class Reads(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.layer, self.head = Named(names), nn.Linear(C, 1)

    def forward(self, x):
        h = self.layer(x)
        for name in self.layer.names:
            h = h * getattr(self.layer, name)
        return self.head(h)


def loss_fn(model, x):
    return model(x).square().mean()


def grown(model, x):
    growth = Growth(perforate(model), adam, **ONE_CYCLE)
    while not growth.dendrites:
        growth.step(loss_fn, x)
        growth.epoch_end(float(growth.epoch))
    return growth


def test_no_name_of_a_site_hides_one_of_its_layer():
    """Without an example, before and after growth, as it stands, copied and exported."""
    names = names_of_a_site()
    assert {"name", "channels", "step", "w", "axis", "calls", "recurrence", "_watch", "run", "accept"} <= set(names)
    torch.manual_seed(0)
    plain, x = Reads(names), torch.randn(5, C)
    expected = plain(x)
    model = perforate(copy.deepcopy(plain))
    assert torch.equal(model(x), expected)
    growth = grown(copy.deepcopy(plain), x)
    layer = growth.model.layer
    for place, name in enumerate(names):
        for each in (layer, export(growth.model).layer, copy.deepcopy(growth.model).layer):
            assert getattr(each, name) == 1.0 + place / 100, name
    assert sites_of(growth.model)["layer"].dendrites
    assert torch.equal(export(growth.model.eval())(x), growth.model(x))


@pytest.mark.parametrize("name", ["step", "w", "name", "fresh"])
def test_what_is_set_on_a_site_is_set_on_its_layer(name):
    growth = grown(nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1)), torch.randn(5, C))
    layer, parent = growth.model[0], sites_of(growth.model)["0"].parent
    setattr(layer, name, 3)
    assert (getattr(layer, name), getattr(parent, name)) == (3, 3)
    assert len(sites_of(growth.model)["0"].w) == 1
    growth.step(loss_fn, torch.randn(5, C))
    delattr(layer, name)
    assert not hasattr(parent, name)
    layer.register_buffer("mask", torch.ones(C))
    assert layer.mask is parent.mask


def test_methods_of_a_layer_are_called_on_it():
    model = perforate(nn.Sequential(nn.Linear(C, C)))
    before = model[0].weight.detach().clone()
    model[0].reset_parameters()
    assert not torch.equal(before, sites_of(model)["0"].parent.weight)
    assert not hasattr(model[0], "accept")
    assert not hasattr(model[0], "channels")


class Typed(nn.Linear):
    def __init__(self):
        super().__init__(C, C)
        self.type = "gelu"


def test_a_value_under_the_name_of_a_modules_method_is_refused():
    with pytest.raises(SiteError, match="'0': its attribute type hides the method"):
        perforate(nn.Sequential(Typed()), ["0"])


def test_a_layer_with_its_normalisation_answers_for_the_layer():
    layer = nn.Linear(C, C)
    layer.norms, layer.layer = "mine", 7
    made = LayerNormed(layer, [nn.LayerNorm(C)])
    assert (made.norms, made.layer) == ("mine", 7)
    assert in_turn(made)[0] is layer
    x = torch.randn(3, C)
    assert torch.equal(made(x), in_turn(made)[1](layer(x)))


def test_a_stacked_export_answers_for_the_layer():
    growth = grown(nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1)), torch.randn(5, C))
    growth.model[0].axis, growth.model[2].w = 5, 6
    plain = export(growth.model.eval(), stacked=True)
    assert (plain[0].axis, plain[2].w) == (5, 6)
    x = torch.randn(5, C)
    torch.testing.assert_close(plain(x), growth.model(x))
