"""Whole runs on tasks whose answer is known: a dendrite learns what it can, and it does not learn noise."""

import math

import pytest
import torch
from torch import nn

from pbgraph.dendrites import Growth, GrowthSettings, perforate

pytestmark = pytest.mark.lengthy


class Shift(nn.Module):
    """y = x + b"""

    def __init__(self, channels):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return x + self.b


def error(model, x, y):
    with torch.no_grad():
        return (model.eval()(x) - y).square().mean().item()


def train(grown, x, y, *, batch_size, epochs):
    """Train on (x, y), with minus the mean squared error as the validation score; the statuses of the epochs."""

    def loss_fn(model, rows):
        return (model(x[rows]) - y[rows]).square().mean()

    statuses = []
    while not grown.finished and len(statuses) < epochs:
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(len(statuses)))
        for rows in order.split(batch_size):
            grown.step(loss_fn, rows)
        statuses.append(grown.epoch_end(-error(grown.model, x, y)))
    return statuses


def correlation(a, b):
    return torch.stack([torch.corrcoef(pair)[0, 1] for pair in torch.stack([a.T, b.T], dim=1)]).mean().item()


@pytest.mark.parametrize("objective", ["normalised", "raw"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_known_residual_is_found(objective, activation):
    """y = M(x) + β g(V x + c) + noise, where M is given and fixed: what is left for a dendrite is g(V x + c).

    Its correlation comes within 1 % of what the noise allows, and 98 % of the explainable error goes.
    """
    torch.manual_seed(0)
    x, noise = torch.randn(1024, 3), 0.1 * torch.randn(1024, 2)
    site = nn.Linear(3, 2).requires_grad_(False)
    v, c, beta = (
        torch.tensor([[3.0, -2.0, 1.0], [-2.0, 0.5, 3.0]]),
        torch.tensor([0.5, -1.0]),
        torch.tensor([1.5, -2.0]),
    )
    residual = beta * {"tanh": torch.tanh, "sigmoid": torch.sigmoid}[activation](x @ v.T + c)
    y, floor = site(x) + residual + noise, noise.square().mean().item()
    model = perforate(nn.Sequential(site, Shift(2)), ["0"])
    grown = Growth(
        model,
        lambda groups: torch.optim.Adam(groups, lr=0.02),
        settings=GrowthSettings(
            max_dendrites=1,
            max_epochs=20,
            cycle_epochs=30,
            patience=30,
            dendrite_max_epochs=60,
            dendrite_patience=60,
            objective=objective,
            activation=activation,
        ),
    )
    train(grown, x, y, batch_size=128, epochs=20)
    before = error(model, x, y)
    train(grown, x, y, batch_size=128, epochs=90)
    grown.restore_best()
    assert grown.dendrites == 1
    assert grown.events[0]["scores"]["0"] > 0.99 * correlation(residual, residual + noise)
    assert error(model, x, y) - floor < 0.02 * (before - floor)


def test_xor_is_out_of_reach_of_a_linear_layer_and_one_dendrite_brings_the_loss_to_its_floor():
    """No linear function explains anything of x₁x₂; a unit that is on in one corner has correlation 1/√3 with it.

    With such a unit x₁x₂ can be composed exactly: what remains is the noise.
    """
    torch.manual_seed(0)
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    x = corners.repeat(32, 1)
    noise = 0.1 * torch.randn(32, 4)
    y = x.prod(1, keepdim=True) + (noise - noise.mean(0)).reshape(-1, 1)
    floor = noise.var(0, correction=0).mean().item()
    grown = Growth(
        perforate(nn.Sequential(nn.Linear(2, 1)), ["0"]),
        lambda groups: torch.optim.Adam(groups, lr=0.05),
        settings=GrowthSettings(
            max_dendrites=1,
            max_epochs=150,
            cycle_epochs=300,
            patience=300,
            dendrite_max_epochs=150,
            dendrite_patience=150,
            pool=4,
        ),
    )
    train(grown, x, y, batch_size=128, epochs=150)
    assert error(grown.model, x, y) == pytest.approx(1 + floor, abs=1e-4)
    statuses = train(grown, x, y, batch_size=128, epochs=450)
    grown.restore_best()
    assert [status.switched for status in statuses if status.switched] == ["accept", "finish"]
    assert grown.events[0]["scores"]["0"] == pytest.approx(math.sqrt(1 / 3), abs=0.02)
    assert error(grown.model, x, y) == pytest.approx(floor, abs=1e-5)


def test_noise_is_not_learnt():
    """Residuals that have nothing to do with the input: |corr| is that of chance, untrained and trained.

    Untrained, |corr|·√N is the absolute value of a standard normal variable, √(2/π) on average. The best of all
    linear functions of three inputs has the length of three such variables, 1.6 on average; g adds little to that.
    """
    torch.manual_seed(0)
    patterns, channels = 4096, 64
    x, y = torch.randn(patterns, 3), torch.randn(patterns, channels)
    site = nn.Linear(3, channels).requires_grad_(False)
    nn.init.zeros_(site.weight)
    nn.init.zeros_(site.bias)
    grown = Growth(
        perforate(nn.Sequential(site, Shift(channels)), ["0"]),
        lambda groups: torch.optim.Adam(groups, lr=0.02),
        settings=GrowthSettings(
            max_dendrites=1, max_epochs=1, dendrite_max_epochs=30, dendrite_patience=30, priming_batches=1000
        ),
    )
    statuses = train(grown, x, y, batch_size=512, epochs=31)
    scores = [status.site_scores["0"] * math.sqrt(patterns) for status in statuses[1:]]
    assert scores[0] == pytest.approx(math.sqrt(2 / math.pi), abs=3 * 0.6 / math.sqrt(channels))
    assert 1.2 < scores[-1] < 2.2
    assert max(scores) < 2.2
