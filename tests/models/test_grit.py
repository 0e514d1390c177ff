"""GRIT against its equations, written pair by pair."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.grit import GRITConfig
from pbgraph.testing import DIMS

CHANNELS, HEADS, STEPS = 6, 2, 4
EACH = CHANNELS // HEADS


def rho(u: Tensor) -> Tensor:
    return u.relu().sqrt() - (-u).relu().sqrt()


def walks(batch: GraphBatch) -> Tensor:
    """(N, N, STEPS): powers of D⁻¹ A of the whole batch."""
    adjacency = torch.zeros(len(batch.x), len(batch.x), dtype=torch.float64)
    adjacency[batch.edge_index[0], batch.edge_index[1]] = 1
    step = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([torch.linalg.matrix_power(step, k) for k in range(STEPS)], dim=2)


class Layer(nn.Module):
    """One layer, on a dense tensor of pairs (n, n, D) of one molecule."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.q, self.own = nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, 2 * CHANNELS)
        self.k, self.v = (nn.Linear(CHANNELS, CHANNELS, bias=False) for _ in range(2))
        self.a = nn.Parameter(torch.zeros(HEADS, EACH))
        self.pair_value = nn.Parameter(torch.zeros(HEADS, EACH, EACH))
        self.theta = nn.Parameter(torch.zeros(2, CHANNELS))
        self.out, self.norm = nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS)
        self.up, self.down = nn.Linear(CHANNELS, 2 * CHANNELS), nn.Linear(2 * CHANNELS, CHANNELS)
        self.last_norm = nn.BatchNorm1d(CHANNELS)
        if not last:
            self.edge_out, self.edge_norm = nn.Linear(CHANNELS, CHANNELS), nn.BatchNorm1d(CHANNELS)

    def between(self, h: Tensor, e: Tensor) -> Tensor:
        """ê (n, n, D)."""
        w, b = self.own(e).split(CHANNELS, dim=-1)
        return F.relu(rho((self.q(h)[:, None] + self.k(h)[None]) * w) + b)

    def attended(self, h: Tensor, pairs: Tensor, degree: Tensor) -> Tensor:
        """θ ⊙ y + log(1 + d) θ' ⊙ y, (n, D)."""
        rows = []
        for i in range(len(h)):
            heads = []
            for head in range(HEADS):
                part = slice(head * EACH, (head + 1) * EACH)
                logits = torch.stack([(self.a[head] @ pairs[i, j, part]).clamp(-5, 5) for j in range(len(h))])
                values = [self.v(h[j])[part] + self.pair_value[head] @ pairs[i, j, part] for j in range(len(h))]
                heads.append(sum(w * value for w, value in zip(logits.softmax(0), values, strict=True)))
            y = torch.cat(heads)
            rows.append(self.theta[0] * y + torch.log(1 + degree[i]) * self.theta[1] * y)
        return torch.stack(rows)


class Plain(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.nodes, self.edges = nn.Linear(DIMS.node, CHANNELS), nn.Linear(DIMS.edge, CHANNELS)
        self.node_walks, self.pair_walks = (nn.Linear(STEPS, CHANNELS, bias=False) for _ in range(2))
        self.layers = nn.ModuleList(Layer(last=number == layers - 1) for number in range(layers))
        self.head = nn.ModuleList(nn.Linear(*size) for size in [(CHANNELS, 3), (3, 2), (2, DIMS.tasks)])

    def forward(self, batch: GraphBatch) -> Tensor:
        p, (sender, receiver) = walks(batch), batch.edge_index
        h = self.nodes(batch.x) + self.node_walks(torch.stack([p[i, i] for i in range(len(batch.x))]))
        e = self.pair_walks(p)
        e = e.index_put((receiver, sender), self.edges(batch.edge_attr), accumulate=True)
        parts = [(batch.batch == g).nonzero()[:, 0] for g in range(batch.num_graphs)]
        degree = torch.bincount(receiver, minlength=len(batch.x)).double()
        same = torch.block_diag(*(torch.ones(len(part), len(part)) for part in parts)).bool()  # N x N
        for layer in self.layers:
            between = [layer.between(h[part], e[part][:, part]) for part in parts]
            y = torch.cat([layer.attended(h[p_], b, degree[p_]) for p_, b in zip(parts, between, strict=True)])
            h = layer.norm(h + layer.out(y))
            h = layer.last_norm(h + layer.down(F.relu(layer.up(h))))
            if hasattr(layer, "edge_norm"):
                flat = torch.cat([one.flatten(0, 1) for one in between])
                e = torch.zeros_like(e).masked_scatter(same[..., None], layer.edge_norm(e[same] + layer.edge_out(flat)))
        graphs = torch.stack([h[part].sum(0) for part in parts])
        return self.head[2](F.relu(self.head[1](F.relu(self.head[0](graphs)))))


RENAMED = [
    (r"pairs\.query", "q"),
    (r"pairs\.key", "k"),
    (r"pairs\.own", "own"),
    (r"attention\.value", "v"),
    (r"attention\.logit", "a"),
    (r"attention\.pair_value", "pair_value"),
    (r"attention\.scale", "theta"),
    (r"attention\.output\.linear", "out"),
    (r"attention\.output\.norm", "norm"),
    (r"(\d)\.edges\.linear", r"\1.edge_out"),
    (r"(\d)\.edges\.norm", r"\1.edge_norm"),
    ("expand", "up"),
    (r"contract\.linear", "down"),
    (r"contract\.norm", "last_norm"),
    (r"^hidden\.", "head."),
    ("^logits", "head.2"),
]


def test_is_its_equations() -> None:
    ours = double_model("grit", hidden=EACH, heads=HEADS, layers=3, walk_steps=STEPS, attention_dropout=0)
    assert_same(ours, Plain(3), renamed=RENAMED, run=lambda model, batch: model(batch))


def test_sizes_and_probabilities_are_checked() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        GRITConfig(walk_steps=0)
    with pytest.raises(UsageError, match="attention_dropout is 1"):
        GRITConfig(attention_dropout=1)
