"""Small networks, batches and growths that the tests of dendrites share."""

import torch
from torch import nn

from pbgraph.dendrites import Growth, GrowthSettings, perforate


class Messages(nn.Module):
    """Sum over senders of a linear map: the smallest message-passing layer."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def reset_parameters(self):
        self.linear.reset_parameters()

    def forward(self, x, edge_index):
        sender, receiver = edge_index
        return torch.zeros_like(x).index_add(0, receiver, self.linear(x)[sender])


class Cell(nn.Module):
    """A GRU cell and LayerNorm; the state is not what leaves the module."""

    recurrent_state = True

    def __init__(self, channels):
        super().__init__()
        self.cell = nn.GRUCell(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def reset_parameters(self):
        self.cell.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, x, state):
        state = self.cell(x, state)
        return self.norm(state), state


class Network(nn.Module):
    """Linear, message-passing and recurrent sites; the middle two are called three times in each forward pass."""

    def __init__(self, channels=4, outputs=2, dropout=0.0, norm=False):
        super().__init__()
        self.encode = nn.Linear(3, channels)
        self.norm = nn.BatchNorm1d(channels) if norm else nn.Identity()
        self.conv = Messages(channels)
        self.cell = Cell(channels)
        self.decode = nn.Linear(channels, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, edge_index):
        x = state = torch.tanh(self.norm(self.encode(x)))
        for _ in range(3):
            x, state = self.cell(torch.tanh(self.conv(x, edge_index)), state)
        return self.decode(self.dropout(x))


SITES = ["encode", "conv", "cell", "decode"]


def batch(seed=0, nodes=7, edges=12, outputs=2, dtype=torch.float64):
    """(x (nodes, 3), edge_index (2, edges), y (nodes, outputs))."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(nodes, 3, generator=g, dtype=dtype)
    y = torch.randn(nodes, outputs, generator=g, dtype=dtype)
    return x, torch.randint(nodes, (2, edges), generator=g), y


def square_loss(model, batch):
    x, edge_index, y = batch
    return (model(x, edge_index) - y).square().mean()


def network(seed=0, dtype=torch.float64, sites=SITES, **options):
    torch.manual_seed(seed)
    return perforate(Network(**options).to(dtype), sites)


def sgd(rate=0.1):
    return lambda groups: torch.optim.SGD(groups, lr=rate)


def adam(groups):
    return torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)


SHORT = {
    "max_dendrites": 2,
    "patience": 2,
    "max_epochs": 3,
    "cycle_epochs": 2,
    "dendrite_patience": 2,
    "dendrite_max_epochs": 2,
    "priming_batches": 0,
}


def growth(model, make_optimizer=adam, **settings):
    return Growth(model, make_optimizer, settings=GrowthSettings(**SHORT | settings), seed=68)


def epoch(grown, score, batches=None, loss_fn=square_loss):
    """Train one epoch, of two batches if none are given; returns the status and the losses."""
    losses = [grown.step(loss_fn, one) for one in batches or (batch(0), batch(1))]
    return grown.epoch_end(score), losses


def run_until(grown, *, phase, dendrites=0, **options):
    """Train, with ever better scores, until the growth is in this phase with so many dendrites."""
    while (grown.phase, grown.dendrites) != (phase, dendrites):
        assert not grown.finished
        epoch(grown, float(grown.epoch), **options)
    return grown


def with_dendrites(model, count, **settings):
    """The model with so many trained dendrites at each site and random output weights."""
    grown = run_until(growth(model, max_dendrites=count + 1, **settings), phase="neuron", dendrites=count)
    torch.manual_seed(count)
    with torch.no_grad():
        for site in grown.sites.values():
            for w in site.w:
                w.normal_()
            for dendrite in site.dendrites:
                for u in dendrite.cascade:
                    u.normal_()
    return grown.model


def weights(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(a, b):
    """Whether two nested states are equal, bit for bit in their tensors."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b
