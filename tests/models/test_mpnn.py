"""MPNN against torch_geometric's layers, composed plainly."""

from __future__ import annotations

from torch import Tensor, nn

from parity import assert_same, double_model
from pbgraph.graph import GraphBatch
from pbgraph.testing import DIMS


class Plain(nn.Module):
    def __init__(self, hidden: int, edge_hidden: int) -> None:
        from torch_geometric.nn import NNConv, Set2Set

        super().__init__()
        self.embedding = nn.Linear(DIMS.node, hidden)
        edge_network = nn.Sequential(nn.Linear(DIMS.edge, edge_hidden), nn.ReLU(), nn.Linear(edge_hidden, hidden**2))
        self.conv = NNConv(hidden, hidden, edge_network, aggr="add", root_weight=False, bias=False)
        self.gru = nn.GRUCell(hidden, hidden)
        self.set2set = Set2Set(hidden, processing_steps=3)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, DIMS.tasks))

    def forward(self, batch: GraphBatch) -> Tensor:
        h = self.embedding(batch.x).relu()
        for _ in range(3):
            h = self.gru(self.conv(h, batch.edge_index, batch.edge_attr), h)
        return self.head(self.set2set(h, batch.batch))


def test_is_torch_geometrics_layers() -> None:
    renamed = [
        (r"message\.expand", "conv.nn.0"),
        (r"message\.matrix", "conv.nn.2"),
        (r"gru\.cell", "gru"),
        (r"set2set\.lstm\.(\w+)", r"set2set.lstm.\1_l0"),
        ("^hidden", "head.0"),
        ("^logits", "head.2"),
    ]
    ours = double_model("mpnn", hidden=6, edge_hidden=5)
    assert_same(ours, Plain(6, 5), renamed=renamed, run=lambda model, batch: model(batch))
