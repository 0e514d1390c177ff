"""GPS against torch_geometric's layers, composed plainly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.graph import GraphBatch
from pbgraph.models.gps import GPSConfig
from pbgraph.ops.walks import return_probabilities_definition
from pbgraph.testing import DIMS

CHANNELS, STEPS, WALKS = 8, 5, 3


class Plain(nn.Module):
    def __init__(self, layers: int) -> None:
        from torch_geometric.nn import GINEConv, GPSConv

        super().__init__()
        self.nodes, self.edges = nn.Linear(DIMS.node, CHANNELS - WALKS), nn.Linear(DIMS.edge, CHANNELS)
        self.walks = nn.Sequential(nn.BatchNorm1d(STEPS), nn.Linear(STEPS, WALKS))
        self.convs = nn.ModuleList()
        for _ in range(layers):
            network = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, CHANNELS))
            self.convs.append(GPSConv(CHANNELS, GINEConv(network), heads=2))
        self.head = nn.ModuleList(nn.Linear(*size) for size in [(8, 4), (4, 2), (2, DIMS.tasks)])

    def forward(self, batch: GraphBatch) -> Tensor:
        from torch_geometric.nn.pool import global_add_pool

        walks = self.walks(return_probabilities_definition(batch, STEPS))  # torch_geometric's are float32
        x, edges = torch.cat([self.nodes(batch.x), walks], dim=1), self.edges(batch.edge_attr)
        for conv in self.convs:
            x = conv(x, batch.edge_index, batch.batch, edge_attr=edges)
        graphs = global_add_pool(x, batch.batch, batch.num_graphs)
        return self.head[2](F.relu(self.head[1](F.relu(self.head[0](graphs)))))


RENAMED = [
    (r"walks\.norm", "walks.0"),
    (r"walks\.linear", "walks.1"),
    (r"layers\.(\d)\.conv\.linear", r"convs.\1.conv.nn.0"),
    (r"layers\.(\d)\.update\.linear", r"convs.\1.conv.nn.2"),
    (r"layers\.(\d)\.update\.norm", r"convs.\1.norm1.module"),
    (r"layers\.(\d)\.attention\.output\.linear", r"convs.\1.attn.out_proj"),
    (r"layers\.(\d)\.attention\.output\.norm", r"convs.\1.norm2.module"),
    *(
        (rf"layers\.(\d)\.attention\.{n}\.(\w+)", rf"convs.\1.attn.in_proj_\2[{i}]")
        for i, n in enumerate(("query", "key", "value"))
    ),
    (r"layers\.(\d)\.expand", r"convs.\1.mlp.0"),
    (r"layers\.(\d)\.contract\.linear", r"convs.\1.mlp.3"),
    (r"layers\.(\d)\.contract\.norm", r"convs.\1.norm3.module"),
    (r"^hidden\.", "head."),
    ("^logits", "head.2"),
]


def test_is_torch_geometrics_layers() -> None:
    ours = double_model("gps", hidden=4, heads=2, layers=2, walk_steps=STEPS, walk_channels=WALKS, attention_dropout=0)
    assert_same(ours, Plain(2), renamed=RENAMED, run=lambda model, batch: model(batch))


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="walk_channels is 8, expected fewer than heads · hidden, 8"):
        GPSConfig(hidden=4, heads=2)
    with pytest.raises(UsageError, match="attention_dropout is 1"):
        GPSConfig(attention_dropout=1)
