"""A site answers for every attribute of the layer that it stands for, whatever its own are called."""

import copy
import pickle

import pytest
import torch
from torch import nn

from dendrite_networks import adam, same
from pbgraph.dendrites import Growth, SiteError, export, load_network, perforate, report_of, save_network, sites_of
from pbgraph.dendrites.export import Dendritic
from pbgraph.dendrites.proxy import ModuleProxy
from pbgraph.dendrites.sites import PerforatedSite, Site
from pbgraph.dendrites.stacked import Stacked

C = 4
ONE_CYCLE = {"max_dendrites": 1, "max_epochs": 1, "dendrite_max_epochs": 1, "cycle_epochs": 1, "priming_batches": 0}


def own_names():
    """Every name that a site, a grouped layer or an exported site has in use, without those of all modules."""
    model = perforate(nn.Sequential(nn.Linear(C, C), nn.BatchNorm1d(C)))
    (site,) = sites_of(model).values()
    found = set(vars(site)) | set(vars(Site)) | set(site.module._modules) | set(site.parent._modules)
    for kind in (ModuleProxy, PerforatedSite, Dendritic, type(site.parent)):
        found |= set(vars(kind))
    names = {name for name in found - set(dir(nn.Module())) if not name.startswith("_")}
    assert {"w", "parent", "dendrites", "step", "channels", "name", "calls", "layer", "norms"} <= names
    return sorted(names | {"axis", "weight_of", "target", "target_name", "_step", "_site", "_output"})


NAMES = own_names()


class Named(nn.Module):
    """A linear map with an attribute of every name, each read and counted up in every call of the network."""

    def __init__(self, names, make):
        super().__init__()
        self.linear = nn.Linear(C, C)
        for number, name in enumerate(names):
            setattr(self, name, make(number))

    def reset_parameters(self):
        self.linear.reset_parameters()
        for parameter in self.parameters():
            if parameter.ndim < 2:
                nn.init.ones_(parameter)

    def forward(self, x):
        return self.linear(x)


class Reads(nn.Module):
    def __init__(self, names, make=float):
        super().__init__()
        self.names = list(names)
        self.first, self.norm, self.last = Named(names, make), nn.LayerNorm(C), nn.Linear(C, 1)

    def forward(self, x):
        y = self.first(x)
        for name in self.names:
            found = getattr(self.first, name)
            y = y + (found(x) if isinstance(found, nn.Module) else found)
        return self.last(torch.tanh(self.norm(y)))


MADE = {
    "numbers": float,
    "parameters": lambda number: nn.Parameter(torch.full((C,), float(number))),
    "modules": lambda number: nn.Linear(C, C),
}


def square_loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def data(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(6, C, generator=g), torch.randn(6, 1, generator=g)


def grown(model):
    growth = Growth(model, adam, **ONE_CYCLE)
    while not growth.dendrites:
        growth.step(square_loss, data())
        growth.epoch_end(float(growth.epoch))
    for site in growth.sites.values():
        nn.init.normal_(site.w[0])
    return model


@pytest.mark.parametrize("kind", MADE)
def test_no_name_of_a_site_hides_one_of_its_layer(kind, tmp_path):
    """Without an example, which would show it: from perforate to a saved and exported network."""
    torch.manual_seed(0)
    plain = Reads(NAMES, MADE[kind])
    x = data()[0]
    model = perforate(copy.deepcopy(plain), ["first", "last"])
    assert torch.equal(model(x), plain(x))
    for name in NAMES:
        assert getattr(model.first, name) is getattr(sites_of(model)["first"].parent, name), name
    model = grown(model)
    output = model(x)
    save_network(model, tmp_path / "network.safetensors")
    loaded = perforate(copy.deepcopy(plain), ["first", "last"])
    load_network(loaded, tmp_path / "network.safetensors")
    for twin in (export(model), copy.deepcopy(model), loaded, pickle.loads(pickle.dumps(model))):
        assert same(twin(x), output)
    torch.testing.assert_close(export(model, stacked=True)(x), output)


def test_a_layer_in_one_product_keeps_its_attributes():
    model = grown(perforate(nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, 1))))
    model[0].u = 5
    made = export(model, stacked=True)
    assert [type(part) for part in made] == [Dendritic, nn.Tanh, Stacked]
    assert made[0].u == 5


@pytest.mark.parametrize("name", NAMES)
def test_attributes_are_set_and_deleted_on_the_layer(name):
    model = grown(perforate(Reads([]), ["first", "last"]))
    layer, parent = model.first, sites_of(model)["first"].parent
    output = model(data()[0])
    setattr(layer, name, 3)
    assert getattr(layer, name) == getattr(parent, name) == 3
    assert same(model(data()[0]), output)
    delattr(layer, name)
    assert not hasattr(parent, name)
    assert same(model(data()[0]), output)


def test_methods_of_a_layer_are_called_on_it():
    model = grown(perforate(Reads([]), ["first", "last"]))
    before = copy.deepcopy(model.state_dict())
    model.first.reset_parameters()
    model.first.register_buffer("scale", torch.ones(2))
    changed = {
        name for name, value in model.state_dict().items() if name not in before or not same(value, before[name])
    }
    assert changed == {"first.parent.linear.weight", "first.parent.linear.bias", "first.parent.scale"}


def test_the_mode_of_a_layer_is_its_own():
    class Fixed(nn.Linear):
        def train(self, mode=True):
            return super().train(False)

    model = perforate(nn.Sequential(nn.Sequential(nn.Linear(C, C), nn.Dropout(0.5)), Fixed(C, 1)), ["0", "1"])
    model.train()
    assert (model[0].training, model[0].parent[1].training, model[1].training) == (True, True, False)
    model[0].training = False
    assert (model[0].parent.training, model[0].parent[1].training) == (False, True)
    model.eval()
    assert not any(module.training for module in model.modules())
    with pytest.raises(ValueError, match="boolean"):
        model[0].train("yes")


def test_a_layer_may_change_its_class():
    class Other(nn.Linear):
        pass

    model = perforate(nn.Sequential(nn.Linear(C, C), nn.ReLU(), nn.Linear(C, 1)))
    model[0].__class__ = Other
    assert type(model[0]) is PerforatedSite
    assert type(model[0].parent) is Other


def test_a_value_under_the_name_of_a_method_of_all_modules_is_refused():
    layer = nn.Linear(C, C)
    layer.children = 3
    with pytest.raises(SiteError, match="its attribute children hides the method"):
        perforate(nn.Sequential(layer, nn.Linear(C, 1)), ["0"])


class Counted(nn.Linear):
    """A linear map with a state beside its weights: numbers, tensors whose shapes change, or what no file can hold."""

    def __init__(self, *sizes, kept=dict):
        super().__init__(*sizes)
        self.kept, self.calls = kept, 0

    def get_extra_state(self):
        return self.kept(calls=self.calls)

    def set_extra_state(self, state):
        self.calls = len(state) if isinstance(state, torch.Tensor) else state["calls"]

    def forward(self, x):
        self.calls += self.training
        return super().forward(x)


@pytest.mark.parametrize("kept", [dict, lambda calls: torch.zeros(calls)], ids=["numbers", "tensor"])
@pytest.mark.parametrize("sites", [["0", "2"], ["2"]], ids=["site", "beside"])
def test_a_state_beside_the_weights_is_kept(sites, kept, tmp_path):
    def made():
        torch.manual_seed(0)
        return perforate(nn.Sequential(Counted(C, C, kept=kept), nn.Tanh(), Counted(C, 1, kept=kept)), sites)

    model, again = grown(made()), made()
    assert model[0].calls == 1  # not in the dendrite phase
    model[0].calls = 7
    output = model.eval()(data()[0])
    save_network(model, tmp_path / "network.safetensors")
    load_network(again, tmp_path / "network.safetensors")
    assert again[0].calls == 7
    assert same(again.eval()(data()[0]), output)
    assert same(export(model)(data()[0]), output)
    other = perforate(nn.Sequential(nn.Linear(C, C), nn.Tanh(), Counted(C, 1)), sites)
    with pytest.raises(SiteError, match=r"0\.(parent\.)?_extra_state is no tensor in the state and absent here"):
        load_network(other, tmp_path / "network.safetensors")


def test_a_state_that_no_file_can_hold_is_named(tmp_path):
    model = grown(perforate(nn.Sequential(Counted(C, 1, kept=lambda calls: {"calls": calls, "all": {calls}}))))
    with pytest.raises(TypeError, match=r"_extra_state.* is a set; a state holds tensors, numbers"):
        save_network(model, tmp_path / "network.safetensors")


class Looks(nn.Module):
    """Of a layer and its normalisation it reads the parts, or calls these instead."""

    def __init__(self, *, calls_parts=False):
        super().__init__()
        self.block, self.last = nn.Sequential(nn.Linear(C, C), nn.LayerNorm(C)), nn.Linear(C, 1)
        self.calls_parts = calls_parts

    def forward(self, x):
        if not self.block or len(self.block) != 2:
            return x
        if self.calls_parts:
            for part in self.block:
                x = part(x)
        else:
            x = self.block(x.to(self.block[0].weight.dtype))
        return self.last(torch.tanh(x))


def test_a_network_may_look_into_a_site():
    torch.manual_seed(0)
    plain, x = Looks(), data()[0]
    model = perforate(copy.deepcopy(plain))
    assert list(sites_of(model)) == ["block", "last"]
    assert torch.equal(model(x), plain(x))
    assert list(model.block) == [model.block[0], model.block[1]] == list(sites_of(model)["block"].parent)
    model = grown(model)
    assert same(export(model)(x), model(x))
    for look in (len, iter, lambda layer: layer[0]):
        with pytest.raises(TypeError, match="Linear"):
            look(model.last)
    assert model.last


def test_a_site_whose_parts_are_called_instead_is_refused_or_left_out():
    model = perforate(Looks(calls_parts=True))
    growth = Growth(model, adam, **ONE_CYCLE)
    growth.step(square_loss, data())
    with pytest.raises(SiteError, match=r"'block' was never called in training.*its parts are called one by one, name"):
        growth.epoch_end(1.0)
    shown = perforate(Looks(calls_parts=True), example=data()[0])
    assert list(sites_of(shown)) == ["last"]
    assert report_of(shown).others["block"] == "Sequential: never called on the example"
    assert list(sites_of(grown(perforate(Looks(calls_parts=True), ["block.0", "last"])))) == ["block.0", "last"]
