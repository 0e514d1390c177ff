"""A whole run of at least two cycles against the neuron-by-neuron reference, step by step."""

import pytest
import torch
from torch import nn

from dendrite_networks import sgd
from pbgraph.dendrites import Growth, perforate
from reference import Reference, close, neuron

RATE = 0.3
SETTINGS = {
    "max_dendrites": 2,
    "max_tries": 2,
    "patience": 2,
    "max_epochs": 6,
    "cycle_epochs": 5,
    "dendrite_patience": 2,
    "dendrite_max_epochs": 4,
    "threshold": 0.1,
    "priming_batches": 1,
    "pool": 2,
}


def data(patterns, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(patterns, 2, generator=g, dtype=torch.float64)
    return x, torch.stack([x.prod(1), torch.sin(3 * x[:, 0])], dim=1)


def rows(batch):
    return [(x.tolist(), y.tolist()) for x, y in zip(*batch, strict=True)]


def loss_fn(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def parts(linear):
    """(weights, bias) of every neuron."""
    return [(w.tolist(), b.item()) for w, b in zip(linear.weight, linear.bias, strict=True)]


def compare(grown, reference):
    """Every number of the two networks."""
    for site, layer in zip(grown.sites.values(), reference.layers, strict=True):
        for i, one in enumerate(layer):
            pairs = list(zip(site.parent.weight[i].tolist(), one.weights, strict=True))
            pairs.append((site.parent.bias[i].item(), one.bias))
            pairs += zip([w[i].item() for w in site.w], one.w, strict=True)
            for theirs, mine in ((site.dendrites, one.dendrites), (site.candidates, one.candidates)):
                for branch, own in zip(theirs, mine, strict=True):
                    pairs += zip(branch.module.weight[i].tolist(), own.weights, strict=True)
                    pairs.append((branch.module.bias[i].item(), own.bias))
                    pairs += zip([u[i].item() for u in branch.cascade], own.cascade, strict=True)
            assert all(close(a, b) for a, b in pairs), pairs


@pytest.mark.parametrize(
    ("objective", "snapshot", "seed"), [("normalised", "layer", 0), ("raw", "layer", 1), ("normalised", "neuron", 2)]
)
def test_a_whole_run_agrees_with_the_reference_step_by_step(objective, snapshot, seed):
    torch.manual_seed(seed)
    settings = SETTINGS | {"objective": objective, "snapshot": snapshot}
    model = perforate(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double())
    grown = Growth(model, sgd(RATE), seed=seed, **settings)
    layers = [[neuron(w, b) for w, b in parts(site.parent)] for site in grown.sites.values()]

    def drawn():
        return [[parts(candidate.module) for candidate in site.candidates] for site in grown.sites.values()]

    reference = Reference(layers, drawn, RATE, settings)
    batches, valid = [data(5, 10 * seed + n) for n in range(2)], data(12, 10 * seed + 9)
    while not grown.finished:
        for batch in batches:
            assert close(grown.step(loss_fn, batch).item(), reference.step(rows(batch)))
            compare(grown, reference)
        score = -loss_fn(model, valid).item()
        status = grown.epoch_end(score)
        scores = reference.epoch_end(rows(valid))
        compare(grown, reference)
        assert (status.phase, grown.finished) == (reference.phase, reference.finished)
        assert close(status.best_score, reference.best_score)
        assert all(close(a, b) for a, b in zip(status.site_scores.values(), scores, strict=True))
    assert sum(event["event"] == "accept" for event in grown.events) >= 2
    grown.restore_best()
    compare(grown, reference)
