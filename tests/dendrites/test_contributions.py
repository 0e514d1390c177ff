"""What dendrites contribute: known answers, sums to one, and a model that is left as it was."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dendrite_networks import (
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
from pbgraph.dendrites import SiteError, dendrite_insight, perforate
from pbgraph.dendrites.dendrite import Dendrite
from pbgraph.dendrites.outputs import opened
from pbgraph.dendrites.perforation import sites_of

GRID = torch.tensor([[x, z] for x in (-1.0, 1.0) for z in (0.0, 2.0)]).double()  # independent, both with variance 1


def call(model, one):
    return model(*one[:2])


def by_hand(parent, *, w):
    """y = parent · (x, z) and one dendrite a = relu(z) with output weight w, for one neuron."""
    model = perforate(nn.Sequential(nn.Linear(2, 1)).double())
    site = sites_of(model)["0"]
    site.channels = 1
    site.accept(site.new_dendrite("relu"), torch.tensor([w]))
    with torch.no_grad():
        for linear, row in ((site.parent, parent), (site.dendrites[0].module, (0.0, 1.0))):
            linear.weight.copy_(torch.tensor([row]))
            linear.bias.zero_()
    return model


@pytest.mark.parametrize(
    ("parent", "w", "variance", "covariance"),
    [
        ((1.0, 0.0), 3.0, 0.9, 0.9),  # y' = x + 3a: variances 1 and 9, independent
        ((1.0, -2.0), 3.0, 4.5, 1.5),  # y' = x + a: the parent's -2a cancels two thirds of 3a
        ((1.0, 2.0), -1.0, 0.5, -0.5),  # y' = x + a: the dendrite cancels half of the parent's 2a
        ((1.0, 0.0), 0.0, 0.0, 0.0),
        ((0.0, -1.0), 1.0, 0.0, 0.0),  # y' = 0: there is no variance to share
    ],
)
def test_known_shares(parent, w, variance, covariance):
    found = dendrite_insight(by_hand(parent, w=w), [GRID[:1], GRID[1:]]).sites["0"]
    (one,) = found.dendrites
    assert (found.neurons, found.rows, one.number, one.outcome, one.w) == (1, 4, 1, "kept", (w,))
    assert one.variance_share == pytest.approx((variance,))
    assert one.covariance_share == pytest.approx((covariance,))


def contributions(model, batches):
    """Site -> (1 + K, rows, C): what the parent and each dendrite add to y', caught at the modules themselves."""
    caught = {name: [[] for _ in range(1 + len(site.dendrites))] for name, site in sites_of(model).items()}
    hooks = []
    for name, site in sites_of(model).items():
        keep = caught[name]
        hooks.append(site.parent.register_forward_hook(lambda *seen, keep=keep: keep[0].append(opened(seen[2]))))
        for k, (dendrite, w) in enumerate(zip(site.dendrites, site.w, strict=True), 1):
            hooks.append(
                dendrite.register_forward_hook(lambda *seen, keep=keep, k=k, w=w: keep[k].append(w * opened(seen[2])))
            )
    with torch.no_grad():
        for one in batches:
            call(model.eval(), one)
    for hook in hooks:
        hook.remove()
    return {name: np.stack([torch.cat(rows).numpy() for rows in parts]) for name, parts in caught.items()}


@settings(max_examples=4)
@given(
    seed=st.integers(0, 1000), dendrites=st.integers(1, 2), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3)
)
def test_shares_and_covariances_sum_to_one(seed, dendrites, sizes):
    """Over linear, message-passing and recurrent sites that are called several times, in batches of any size."""
    model = with_dendrites(network(seed, dropout=0.3, norm=True), dendrites)
    batches = [batch(seed + number, nodes=nodes + 1) for number, nodes in enumerate(sizes)]
    found = dendrite_insight(model, batches, call)
    for name, parts in contributions(model, batches).items():
        site, y = found.sites[name], parts.sum(0)
        assert (site.rows, site.neurons) == y.shape
        for neuron in range(site.neurons):
            covariance = np.cov(parts[:, :, neuron], bias=True).reshape(len(parts), len(parts))
            whole = y[:, neuron].var()
            variances = [one.variance_share[neuron] for one in site.dendrites]
            shared = [one.covariance_share[neuron] for one in site.dendrites]
            np.testing.assert_allclose(variances, covariance.diagonal()[1:] / whole, rtol=1e-6, atol=1e-12)
            mixed = covariance.sum() - covariance.trace()
            assert covariance[0, 0] / whole + sum(variances) + mixed / whole == pytest.approx(1)
            assert covariance[0].sum() / whole + sum(shared) == pytest.approx(1)


def test_the_neurons_of_a_convolution_are_its_channels():
    torch.manual_seed(0)
    model = perforate(nn.Sequential(nn.Conv1d(2, 3, 2)))
    site = sites_of(model)["0"]
    site.channels = 3
    site.accept(site.new_dendrite("tanh"), torch.ones(3))
    x = torch.randn(4, 2, 6)
    found = dendrite_insight(model, [x]).sites["0"]
    assert (found.neurons, found.rows) == (3, 4 * 5)
    c = torch.tanh(site.dendrites[0].module(x)).detach()
    expected = c.var((0, 2)) / model(x).detach().var((0, 2))
    np.testing.assert_allclose(found.dendrites[0].variance_share, expected, rtol=1e-4)


def test_the_model_is_left_as_it_was():
    model = with_dendrites(network(dropout=0.5, norm=True), 1).train()
    model.norm.eval()
    before, modes = weights(model), [module.training for module in model.modules()]
    random = torch.get_rng_state()
    dendrite_insight(model, [batch(0)], call)
    assert same(weights(model), before)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_cannot_be_measured_is_an_error():
    with pytest.raises(SiteError, match="no site of dendrites"):
        dendrite_insight(Network(), [batch(0)], call)
    with pytest.raises(SiteError, match="hand over at least one batch"):
        dendrite_insight(network(), [], call)


def test_curves_are_the_scores_of_the_phase():
    grown = growth(network(), pool=2, dendrite_max_epochs=4, dendrite_patience=9)
    run_until(grown, phase="dendrite")
    first, means = grown.epoch, {name: [] for name in grown.sites}
    while grown.phase == "dendrite":
        status, _ = epoch(grown, None)
        for name, score in status.site_scores.items():
            means[name].append(score)
    scores = next(event["scores"] for event in grown.events if event["event"] == "accept")
    found = grown.insight([batch(0)], call)
    for name, site in found.sites.items():
        (one,) = site.dendrites
        assert (one.epoch, one.outcome, one.number) == (first, "kept", 1)
        assert list(one.mean_correlation) == means[name]
        assert len(one.max_correlation) == 4
        assert np.mean(one.correlation) == pytest.approx(scores[name]) == pytest.approx(max(means[name]))
        assert max(one.correlation) == pytest.approx(one.max_correlation[np.argmax(means[name])])
        assert one.w == one.variance_share == (0.0,) * site.neurons


@pytest.mark.parametrize("options", [{}, {"snapshot": "neuron", "pool": 2}, {"dendrite_max_epochs": 0}])
def test_dendrites_that_were_tried_in_vain_are_named(options):
    """The first dendrites stay, two sets of second ones are dropped."""
    grown = growth(network(), max_tries=2, **options)
    while not grown.finished:
        epoch(grown, 0.0 if grown.dendrites > 1 else float(grown.epoch))
    grown.restore_best()
    found = grown.insight([batch(0)], call)
    for site in found.sites.values():
        assert [(one.number, one.outcome) for one in site.dendrites] == [(1, "kept"), (2, "dropped"), (2, "dropped")]
        kept, *others = site.dendrites
        assert len(kept.w) == site.neurons
        assert any(kept.w)
        assert all(one.w == one.variance_share == one.covariance_share == () for one in others)
        assert len({one.epoch for one in site.dendrites}) == 3
        curves = {(len(one.mean_correlation), len(one.max_correlation), len(one.correlation)) for one in site.dendrites}
        without_phase = options == {"dendrite_max_epochs": 0}
        assert curves == ({(0, 0, 0)} if without_phase else {(2, 2, site.neurons)})


def test_a_site_that_lost_its_candidates_is_named(monkeypatch):
    """Candidates of `decode` give NaN and are discarded; the other sites grow without it."""
    grown = run_until(growth(network()), phase="dendrite")
    lost = grown.sites["decode"].candidates[0]
    forward = Dendrite.forward

    def broken(self, *arguments):
        a, output = forward(self, *arguments)
        return (a * torch.nan, output) if self is lost else (a, output)

    monkeypatch.setattr(Dendrite, "forward", broken)
    while grown.phase == "dendrite":
        epoch(grown, None)
    found = grown.insight([batch(0)], call).sites
    (one,) = found["decode"].dendrites
    assert (one.number, one.outcome, one.correlation, one.mean_correlation) == (1, "failed", (), ())
    assert [one.outcome for one in found["encode"].dendrites] == ["kept"]


def test_a_network_alone_has_shares_but_no_curves():
    model = with_dendrites(network(), 2)
    for site in dendrite_insight(model, [batch(0)], call).sites.values():
        assert [(one.number, one.epoch, one.correlation) for one in site.dendrites] == [(1, None, ()), (2, None, ())]


def test_the_loss_is_not_touched_by_a_look_in_between():
    """Two growths, one of which is looked at after every epoch, are the same in the end."""
    ends = []
    for look in (False, True):
        grown = growth(network(dropout=0.3, norm=True))
        torch.manual_seed(5)
        while not grown.finished:
            epoch(grown, float(grown.epoch), loss_fn=square_loss)
            if look:
                grown.insight([batch(3)], call)
        ends.append(grown.state_dict())
    assert same(*ends)
