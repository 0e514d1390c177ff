"""GINE against torch_geometric's layers, composed plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.gine import GINEConfig
from pbgraph.testing import DIMS


class Plain(nn.Module):
    def __init__(self, hidden: int, layers: int, readout: str) -> None:
        from torch_geometric.nn import GINEConv

        super().__init__()
        self.readout = readout
        self.embedding = nn.Linear(DIMS.node, hidden)
        self.convs = nn.ModuleList()
        for _ in range(layers):
            parts = [part for _ in range(2) for part in (nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU())]
            self.convs.append(GINEConv(nn.Sequential(*parts), edge_dim=DIMS.edge))
        self.logits = nn.ModuleList(nn.Linear(hidden, DIMS.tasks) for _ in range(layers + 1))

    def forward(self, batch: GraphBatch) -> Tensor:
        from torch_geometric.nn.pool import global_add_pool, global_mean_pool

        pool = global_add_pool if self.readout == "sum" else global_mean_pool
        x = self.embedding(batch.x)
        logits = self.logits[0](pool(x, batch.batch, batch.num_graphs))
        for conv, linear in zip(self.convs, self.logits[1:], strict=True):
            x = conv(x, batch.edge_index, batch.edge_attr)
            logits = logits + linear(pool(x, batch.batch, batch.num_graphs))
        return logits


@pytest.mark.parametrize("readout", ["sum", "mean"])
def test_is_torch_geometrics_layers(readout: str) -> None:
    renamed = [
        (r"layers\.(\d)\.conv\.edge", r"convs.\1.lin"),
        (r"layers\.(\d)\.conv\.node", r"convs.\1.nn"),
        (r"layers\.(\d)\.update\.0", r"convs.\1.nn.3"),
        (r"layers\.(\d)\.update\.1", r"convs.\1.nn.4"),
    ]
    torch.manual_seed(0)
    ours = double_model("gine", hidden=7, layers=2, readout=readout)
    assert_same(ours, Plain(7, 2, readout), renamed=renamed, run=lambda model, batch: model(batch))


def test_unknown_readout_is_refused() -> None:
    with pytest.raises(UsageError, match="readout is 'max'"):
        GINEConfig(readout="max")  # type: ignore[arg-type]
