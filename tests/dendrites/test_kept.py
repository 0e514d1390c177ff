"""What is kept of a batch gives candidates the activations that they have within the network."""

import pytest
import torch
from torch import nn

from dendrite_networks import batch, network, same, square_loss, with_dendrites
from pbgraph.dendrites import perforate, sites_of
from pbgraph.dendrites.deltas import output_gradients
from pbgraph.dendrites.kept import answers, kept_batch
from pbgraph.dendrites.modes import evaluating
from pbgraph.dendrites.scaling import Scaling


def compared(model, one, loss_fn=square_loss):
    """(Within the network, from what was kept): activations of a candidate of each site, and δ."""
    sites = sites_of(model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    torch.manual_seed(3)
    candidates = {name: site.new_dendrite("tanh") for name, site in sites.items()}
    with evaluating(model):
        kept = kept_batch(sites, lambda: loss_fn(model, one), Scaling(None))
        for name, site in sites.items():
            site.calls, site.candidates = [], nn.ModuleList([candidates[name].eval()])
        loss = loss_fn(model, one)
        calls = {name: site.calls for name, site in sites.items()}
        deltas = output_gradients(loss, calls)
        for site in sites.values():
            site.calls = None
    within = {name: [call.candidates[0] for call in own] for name, own in calls.items()}
    after = {name: answers(sites[name], candidates[name], own) for name, own in kept.sites.items()}
    assert torch.equal(kept.loss, loss)
    assert same({name: [call.delta for call in own] for name, own in kept.sites.items()}, deltas)
    return within, after, candidates


@pytest.mark.parametrize("dendrites", [0, 2])
def test_linear_message_passing_and_recurrent_sites_with_cascades(dendrites):
    model = with_dendrites(network(norm=True), dendrites) if dendrites else network(norm=True)
    if not dendrites:
        square_loss(model, batch(0))
    within, after, candidates = compared(model, batch(5))
    assert [len(own) for own in after.values()] == [1, 3, 3, 1]
    for name, own in after.items():
        assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(own, within[name], strict=True))
    gradients = [
        torch.autograd.grad(sum(a.square().sum() for a in answered["cell"]), list(candidates["cell"].parameters()))
        for answered in (within, after)
    ]
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(*gradients, strict=True))


class Carried(nn.Module):
    """A recurrent net that hands its cell states of several kinds: whole, with rows reset, some rows, and computed."""

    def __init__(self, kind, how):
        super().__init__()
        self.cell, self.how = kind(3, 4), how

    def forward(self, x):
        state, out = None, []
        for step in range(4):
            state = self.cell(x[:, step], state)
            h = state[0] if isinstance(state, tuple) else state
            out.append(h.sum())
            if self.how == "reset":
                keep = torch.arange(len(x)) % 2 == step % 2
                with torch.no_grad():
                    h.data[keep] = 0.0
            elif self.how == "computed":
                state = tuple(0.5 * s for s in state) if isinstance(state, tuple) else 0.5 * state
            elif self.how == "detached":
                state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            elif self.how == "rows":
                x = x[:-1]
                state = tuple(s[: len(x)] for s in state) if isinstance(state, tuple) else state[: len(x)]
        return torch.stack(out)


@pytest.mark.parametrize("how", ["whole", "reset", "computed", "detached", "rows"])
@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_states_that_the_network_hands_on_are_known_again(kind, how):
    torch.manual_seed(0)
    model = perforate(Carried(kind, how).double(), ["cell"])
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    model(x)
    within, after, _ = compared(model, x, lambda model, x: model(x).square().sum())
    assert len(after["cell"]) == 4
    for a, b in zip(after["cell"], within["cell"], strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_inputs_are_kept_as_they_were_when_the_site_was_called():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            x = self.first(x)
            y = self.second(x)
            x += y
            return x

    torch.manual_seed(0)
    model = perforate(InPlace(), ["first", "second"])
    x = torch.randn(5, 3)
    with torch.no_grad():
        model(x)
    within, after, _ = compared(model, x, lambda model, x: model(x).square().sum())
    assert torch.allclose(after["second"][0], within["second"][0])


def test_a_tensor_that_several_calls_share_is_kept_once():
    model = network()
    square_loss(model, batch(0))
    sites = sites_of(model)
    with evaluating(model):
        kept = kept_batch(sites, lambda: square_loss(model, batch(0)), Scaling(None))
    edges = {call.inputs[1].data_ptr() for call in kept.sites["conv"]}
    assert len(edges) == 1
    assert edges != {batch(0)[1].data_ptr()}
