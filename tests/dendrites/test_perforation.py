import pytest
import torch
from torch import nn

from dendrite_networks import Network, weights
from pbgraph.dendrites import PerforatedSite, SiteError, perforate, sites_of
from pbgraph.dendrites.perforation import matching_names
from pbgraph.errors import PbgraphError


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({"conv": nn.Linear(2, 2), "norm": nn.LayerNorm(2)}) for _ in range(3))
        self.head = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))

    def forward(self, x):
        for block in self.blocks:
            x = block["norm"](block["conv"](x))
        return self.head(x)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["blocks.*.conv"], ["blocks.0.conv", "blocks.1.conv", "blocks.2.conv"]),
        (["blocks.[02].conv"], ["blocks.0.conv", "blocks.2.conv"]),
        (["head.2", "blocks.1.*"], ["blocks.1.conv", "blocks.1.norm", "head.2"]),
        (["*"], ["blocks", "head"]),
        (["head", "h*"], ["head"]),
    ],
)
def test_patterns_match_within_one_name(patterns, names):
    assert matching_names(Nested(), patterns) == names


def test_the_model_is_changed_in_place_and_no_number_of_it():
    model = Nested()
    before, parameters = weights(model), list(model.parameters())
    assert perforate(model, ["blocks.*.conv", "head.0"]) is model
    assert all(new is old for new, old in zip(model.parameters(), parameters, strict=True))
    after = {name.replace(".parent", ""): value for name, value in model.state_dict().items()}
    assert before.keys() == after.keys()


def test_random_streams_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    perforate(Nested(), ["head.0"])
    torch.manual_seed(0)
    model = Nested()
    torch.manual_seed(0)
    perforate(model, ["head.0"])
    assert torch.equal(torch.rand(3), expected)


def test_a_module_held_under_several_names_is_one_site_everywhere():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.ModuleDict({"again": shared}))
    perforate(model, ["2"])
    assert list(sites_of(model)) == ["0"]
    assert isinstance(model[0], PerforatedSite)
    assert model[0] is model[2] is model[3]["again"]
    assert model[0].parent is shared


class Forgetful(nn.Module):
    """Parameters that nothing draws anew."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.inner(x) * self.scale


class HalfForgetful(Forgetful):
    """reset_parameters() is there, but forgets one."""

    def reset_parameters(self):
        self.inner.reset_parameters()


@pytest.mark.parametrize(
    ("make", "sites", "message"),
    [
        (Network, ["nothing.*"], r"no sub-module matches site 'nothing.\*'; there are: encode, norm, conv, "),
        (Network, ["encode", "decod"], "no sub-module matches site 'decod'"),
        (Network, [], "no sites were named"),
        (Network, "encode", r"sites is the string 'encode'; give a list of names: \['encode'\]"),
        (Nested, ["blocks.0", "blocks.0.norm"], "site 'blocks.0.norm' lies within site 'blocks.0'"),
        (Nested, ["head.1"], r"site 'head.1' \(ReLU\) has no parameters"),
        (
            lambda: nn.Sequential(Forgetful()),
            ["0"],
            r"site '0': no reset_parameters\(\) draws its scale anew.*Forgetful",
        ),
        (lambda: nn.Sequential(HalfForgetful()), ["0"], r"site '0': no reset_parameters\(\) draws its scale anew"),
        (lambda: nn.Sequential(nn.LazyLinear(2)), ["0"], "site '0': its weight has no shape yet: run one batch"),
    ],
)
def test_what_cannot_be_a_site_is_an_error_that_names_it(make, sites, message):
    with pytest.raises(SiteError, match=message) as error:
        perforate(make(), sites)
    assert isinstance(error.value, PbgraphError)


def test_an_error_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2), Forgetful())
    with pytest.raises(SiteError):
        perforate(model, ["0", "1"])
    assert sites_of(model) == {}


def test_a_site_cannot_become_one_again_but_others_can():
    model = perforate(Nested(), ["head.0"])
    with pytest.raises(SiteError, match=r"'head.0' is a site already"):
        perforate(model, ["head.0"])
    with pytest.raises(SiteError, match="'head' is a site already, or has one in it"):
        perforate(model, ["head"])
    with pytest.raises(SiteError, match="no sub-module matches"):
        perforate(model, ["head.0.*"])
    perforate(model, ["head.2"])
    assert list(sites_of(model)) == ["head.0", "head.2"]
