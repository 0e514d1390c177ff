"""CMPNN against its equations, written node by node."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.cmpnn import CMPNNConfig
from pbgraph.testing import DIMS

CHANNELS = 7
Pair = tuple[int, int]


def booster(received: list[Tensor]) -> Tensor:
    stacked = torch.stack(received) if received else torch.zeros(1, CHANNELS, dtype=torch.float64)
    return stacked.sum(0) * stacked.amax(0)


class Plain(nn.Module):
    """The paper's algorithm 1 with sums, on dictionaries of atoms and directed bonds."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.w_a = nn.Linear(DIMS.node, CHANNELS, bias=False)
        self.w_b = nn.Linear(DIMS.node + DIMS.edge, CHANNELS, bias=False)
        self.w = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS, bias=False) for _ in range(depth - 1))
        self.gather = nn.Linear(3 * CHANNELS, CHANNELS, bias=False)
        self.bias, self.gru = nn.Parameter(torch.zeros(CHANNELS)), nn.GRUCell(CHANNELS, CHANNELS)
        self.w_o = nn.Linear(CHANNELS, CHANNELS)
        self.output = nn.Sequential(nn.Linear(CHANNELS, 5), nn.ReLU(), nn.Linear(5, DIMS.tasks))

    def forward(self, batch: GraphBatch) -> Tensor:
        graphs = [self.encoded(batch, (batch.batch == g).nonzero()[:, 0].tolist()) for g in range(batch.num_graphs)]
        return self.output(torch.stack(graphs))

    def encoded(self, batch: GraphBatch, nodes: list[int]) -> Tensor:
        pairs = [(u, v) for u, v in zip(*batch.edge_index.tolist(), strict=True) if v in nodes]
        features = dict(zip(zip(*batch.edge_index.tolist(), strict=True), batch.edge_attr, strict=True))
        first = h = {v: self.w_a(batch.x[v]).relu() for v in nodes}
        first_e = e = {(u, v): self.w_b(torch.cat([batch.x[u], features[u, v]])).relu() for u, v in pairs}
        for w in self.w:
            h = {v: h[v] + booster([e[u, t] for u, t in pairs if t == v]) for v in nodes}
            e = {(v, t): (first_e[v, t] + w(h[v] - e[t, v])).relu() for v, t in pairs}
        boosted = {v: booster([e[u, t] for u, t in pairs if t == v]) for v in nodes}
        m = {v: self.gather(torch.cat([boosted[v], h[v], first[v]])) for v in nodes}
        state = torch.stack(list(m.values())).amax(0)
        after = [self.gru((m[v] + self.bias).relu()[None], state[None])[0] for v in nodes]
        return torch.stack([self.w_o(x).relu() for x in after]).mean(0)


@pytest.mark.parametrize("depth", [2, 4])
def test_is_its_equations(depth: int) -> None:
    renamed = [
        ("node_input", "w_a"),
        (r"edge_input\.linear", "w_b"),
        ("messages", "w"),
        (r"gru\.bias$", "bias"),
        (r"gru\.cell", "gru"),
        ("node_output", "w_o"),
        ("^hidden", "output.0"),
        ("^logits", "output.2"),
    ]
    ours = double_model("cmpnn", hidden=CHANNELS, output_hidden=5, depth=depth)
    assert_same(ours, Plain(depth), renamed=renamed, run=lambda model, batch: model(batch))


def test_depth_without_messages_is_refused() -> None:
    with pytest.raises(UsageError, match="depth is 1, expected at least 2"):
        CMPNNConfig(depth=1)
