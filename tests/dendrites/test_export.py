import copy

import pytest
import torch
from torch import nn

from dendrite_networks import (
    SITES,
    Network,
    batch,
    epoch,
    growth,
    network,
    run_until,
    same,
    square_loss,
    weights,
    with_dendrites,
)
from pbgraph.dendrites import PerforatedSite, SiteError, export, load_network, perforate, save_network

pytestmark = [pytest.mark.lengthy, pytest.mark.thorough]

DTYPES = [torch.float32, torch.float64]


def grown_network(dendrites=2, dtype=torch.float32, **options):
    batches = [batch(0, dtype=dtype), batch(1, dtype=dtype)]
    grown = growth(network(dtype=dtype, **options), max_dendrites=dendrites + 1)
    run_until(grown, phase="neuron", dendrites=dendrites, batches=batches)
    torch.manual_seed(1)
    with torch.no_grad():
        for site in grown.sites.values():
            for w in site.w:
                w.normal_()
    return grown


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dendrites", [0, 1, 2])
def test_an_exported_network_is_plain_and_computes_the_same_bit_for_bit(dendrites, dtype, training):
    grown = grown_network(dendrites, dtype, dropout=0.4, norm=True)
    before = weights(grown.model)
    plain = export(grown.model).train(training)
    grown.model.train(training)
    x, edges, _ = batch(7, dtype=dtype)
    outputs = []
    for model in (copy.deepcopy(grown.model), plain):
        torch.manual_seed(2)
        outputs.append(model(x, edges))
    assert torch.equal(*outputs)
    assert not any(isinstance(part, PerforatedSite) for part in plain.modules())
    assert not any("candidates" in name for name in plain.state_dict())
    assert not hasattr(plain, "dendrite_report")
    assert same(weights(grown.model), before)


def test_a_network_in_a_dendrite_phase_is_exported_without_its_candidates():
    grown = run_until(growth(network()), phase="dendrite", dendrites=1)
    x, edges, _ = batch(7)
    expected = grown.model.eval()(x, edges)
    assert torch.equal(export(grown.model)(x, edges), expected)
    epoch(grown, None)
    assert grown.phase == "dendrite" or grown.dendrites == 2


def test_sites_without_dendrites_are_their_parents_again():
    model = network()
    assert weights(export(model)).keys() == weights(Network()).keys()


def test_a_model_that_is_a_site_cannot_be_exported():
    with pytest.raises(SiteError, match="export the model that holds it"):
        export(PerforatedSite(nn.Linear(2, 2), "it"))


def test_exported_networks_can_be_trained_further():
    plain = export(with_dendrites(network(), 1)).requires_grad_(True)
    square_loss(plain, batch()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in plain.parameters())


@pytest.mark.parametrize("dtype", [torch.float32])
def test_torch_export_agrees(dtype):
    plain = export(grown_network(2, dtype).model).eval()
    x, edges, _ = batch(7, dtype=dtype)
    program = torch.export.export(plain, (x, edges), strict=False)
    torch.testing.assert_close(program.module()(x, edges), plain(x, edges), rtol=0, atol=1e-6)


def compiled(backend):
    plain = export(grown_network(2).model).eval()
    x, edges, _ = batch(7, dtype=torch.float32)
    torch._dynamo.reset()
    with torch.no_grad():
        output = torch.compile(plain, backend=backend)(x, edges)
        torch.testing.assert_close(output, plain(x, edges), rtol=0, atol=1e-6)


def test_torch_compile_traces_the_exported_network():
    compiled("eager")


@pytest.mark.slow
def test_torch_compile_agrees():
    compiled("inductor")


@pytest.mark.parametrize("phase", ["neuron", "dendrite"])
def test_a_deep_copy_is_the_same_and_shares_nothing(phase):
    grown = run_until(growth(network(dropout=0.3, norm=True)), phase=phase, dendrites=1)
    grown.step(square_loss, batch())
    twin = copy.deepcopy(grown.model)
    x, edges, _ = batch(7)
    expected = grown.model.eval()(x, edges)
    assert torch.equal(twin.eval()(x, edges), expected)
    assert same(weights(twin), weights(grown.model))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(grown.model.eval()(x, edges), expected)
    epoch(grown, 1.0)


def test_a_deep_copy_in_a_neuron_phase_can_grow_on_its_own():
    model = with_dendrites(network(), 1)
    twin = copy.deepcopy(model)
    grown = run_until(growth(twin, max_dendrites=3), phase="neuron", dendrites=2)
    assert len(grown.sites["conv"].dendrites) == 2
    assert len(model.conv.dendrites) == 1


def test_networks_go_to_a_file_and_back(tmp_path):
    """With the activations of their dendrites, whatever the reader's settings."""
    grown = growth(network(), activation="relu", max_dendrites=1)
    run_until(grown, phase="neuron", dendrites=1)
    save_network(grown.model, tmp_path / "net.safetensors")
    torch.manual_seed(9)
    again = load_network(perforate(Network().double(), SITES), tmp_path / "net.safetensors")
    x, edges, _ = batch(7)
    with torch.no_grad():
        for model in (grown.model, again):
            model.conv.w[0].fill_(0.5)
    assert torch.equal(again.eval()(x, edges), grown.model.eval()(x, edges))
    assert again.conv.dendrites[0].activation == "relu"


def test_a_file_of_another_network_is_an_error_that_says_so(tmp_path):
    save_network(with_dendrites(network(), 1), tmp_path / "net")
    with pytest.raises(SiteError, match="sites encode, conv, cell, decode; this one has encode"):
        load_network(network(sites=["encode"]), tmp_path / "net")
    with pytest.raises(
        SiteError,
        match=r"another network, at site 'encode': encode\.parent\.weight is \(4, 3\) in the state and \(5, 3\)",
    ):
        load_network(network(channels=5), tmp_path / "net")
    (tmp_path / "net").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a saved state"):
        load_network(network(), tmp_path / "net")


@pytest.mark.parametrize("phase", ["neuron", "dendrite"])
def test_growth_goes_to_a_file_and_back_in_either_phase(phase, tmp_path):
    grown = run_until(growth(network(), pool=2), phase=phase, dendrites=1)
    grown.step(square_loss, batch(3))
    grown.save(tmp_path / "growth.safetensors")
    again = growth(network(seed=5), pool=2)
    again.load(tmp_path / "growth.safetensors")
    for one in (grown, again):
        one.step(square_loss, batch(4))
        one.epoch_end(0.5)
    assert same(again.state_dict(), grown.state_dict())
