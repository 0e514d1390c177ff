"""GatedGCN against its equations, written edge by edge."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.gatedgcn import GatedGCNConfig
from pbgraph.testing import DIMS

CHANNELS = 7


class Layer(nn.Module):
    """One layer of the benchmark: A, B, C, U and V of the module's equations."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.a, self.u, self.v = (nn.Linear(CHANNELS, CHANNELS) for _ in range(3))
        self.b, self.c = (nn.Linear(CHANNELS, CHANNELS, bias=False) for _ in range(2))
        self.node_norm = nn.BatchNorm1d(CHANNELS)
        self.edge_norm = None if last else nn.BatchNorm1d(CHANNELS)

    def forward(self, h: Tensor, e: list[Tensor], pairs: list[tuple[int, int]]) -> tuple[Tensor, list[Tensor]]:
        gate_logits = [self.a(h[i]) + self.b(h[j]) + self.c(e_ij) for (j, i), e_ij in zip(pairs, e, strict=True)]
        messages = []
        for i in range(len(h)):
            into = [(torch.sigmoid(g), j) for g, (j, receiver) in zip(gate_logits, pairs, strict=True) if receiver == i]
            weighted = sum((gate * self.v(h[j]) for gate, j in into), torch.zeros(CHANNELS).double())
            messages.append(weighted / (sum((gate for gate, _ in into), torch.zeros(CHANNELS).double()) + 1e-6))
        if self.edge_norm is not None:
            e = list(torch.stack(e) + F.relu(self.edge_norm(torch.stack(gate_logits))))
        return h + F.relu(self.node_norm(self.u(h) + torch.stack(messages))), e


class Plain(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.nodes, self.edges = nn.Linear(DIMS.node, CHANNELS), nn.Linear(DIMS.edge, CHANNELS)
        self.layers = nn.ModuleList(Layer(last=number == layers - 1) for number in range(layers))
        self.head = nn.ModuleList(nn.Linear(*size) for size in [(CHANNELS, 4), (4, 2), (2, DIMS.tasks)])

    def forward(self, batch: GraphBatch) -> Tensor:
        h, e = self.nodes(batch.x), list(self.edges(batch.edge_attr))
        for layer in self.layers:
            h, e = layer(h, e, list(zip(*batch.edge_index.tolist(), strict=True)))
        graphs = torch.stack([h[batch.batch == g].mean(0) for g in range(batch.num_graphs)])
        return self.head[2](F.relu(self.head[1](F.relu(self.head[0](graphs)))))


def test_is_its_equations() -> None:
    renamed = [
        (r"layers\.(\d)\.gates\.receiver", r"layers.\1.a"),
        (r"layers\.(\d)\.gates\.sender", r"layers.\1.b"),
        (r"layers\.(\d)\.gates\.edge", r"layers.\1.c"),
        (r"layers\.(\d)\.gates\.norm", r"layers.\1.edge_norm"),
        (r"layers\.(\d)\.conv\.itself", r"layers.\1.u"),
        (r"layers\.(\d)\.conv\.sender", r"layers.\1.v"),
        (r"layers\.(\d)\.conv\.norm", r"layers.\1.node_norm"),
        (r"^hidden\.", "head."),
        ("^logits", "head.2"),
    ]
    ours = double_model("gatedgcn", hidden=CHANNELS, layers=3)
    assert_same(ours, Plain(3), renamed=renamed, run=lambda model, batch: model(batch))


def test_readout_without_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        GatedGCNConfig(readout=0)
