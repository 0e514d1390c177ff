"""PNA against torch_geometric's layers, composed plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.pna import PNAConfig
from pbgraph.testing import DIMS

HIDDEN = 8
DEGREES = torch.tensor([1, 4, 9, 2])  # atoms with 0, 1, 2, 3 neighbours
MEAN_LOG_DEGREE = float((DEGREES * torch.arange(1.0, 5.0).log()).sum() / DEGREES.sum())


class Plain(nn.Module):
    def __init__(self, layers: int) -> None:
        from torch_geometric.nn import PNAConv

        super().__init__()
        self.embedding = nn.Linear(DIMS.node, HIDDEN)
        options = {"aggregators": ["mean", "min", "max", "std"], "edge_dim": DIMS.edge, "deg": DEGREES}
        scalers = ["identity", "amplification", "attenuation"]
        self.convs = nn.ModuleList(PNAConv(HIDDEN, HIDDEN, scalers=scalers, **options) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(HIDDEN) for _ in range(layers))
        sizes = [(8, 4), (4, 2), (2, DIMS.tasks)]
        self.head = nn.ModuleList(nn.Linear(*size) for size in sizes)

    def forward(self, batch: GraphBatch) -> Tensor:
        from torch_geometric.nn.pool import global_mean_pool

        x = self.embedding(batch.x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + F.relu(norm(conv(x, batch.edge_index, batch.edge_attr)))
        graphs = global_mean_pool(x, batch.batch, batch.num_graphs)
        return self.head[2](F.relu(self.head[1](F.relu(self.head[0](graphs)))))


def test_is_torch_geometrics_layers() -> None:
    renamed = [
        (r"layers\.(\d)\.norm", r"norms.\1"),
        (r"layers\.(\d)\.edge", r"convs.\1.edge_encoder"),
        (r"layers\.(\d)\.message", r"convs.\1.pre_nns.0.0"),
        (r"layers\.(\d)\.update", r"convs.\1.post_nns.0.0"),
        (r"layers\.(\d)\.output", r"convs.\1.lin"),
        (r"^hidden\.", "head."),
        ("^logits", "head.2"),
    ]
    assert_same(
        double_model("pna", hidden=HIDDEN, layers=2, mean_log_degree=MEAN_LOG_DEGREE),
        Plain(2),
        renamed=renamed,
        run=lambda model, batch: model(batch),
    )


def test_degree_of_no_molecule_is_refused() -> None:
    with pytest.raises(UsageError, match="mean_log_degree is 0"):
        PNAConfig(mean_log_degree=0.0)
