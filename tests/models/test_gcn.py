"""GCN against torch_geometric's model."""

from __future__ import annotations

from parity import assert_same, double_model
from pbgraph.testing import DIMS


def test_is_torch_geometrics_gcn_with_a_mean_over_nodes() -> None:
    from torch_geometric.nn.models import GCN
    from torch_geometric.nn.pool import global_mean_pool

    theirs = GCN(DIMS.node, 7, 3, out_channels=DIMS.tasks, jk="last")
    assert_same(
        double_model("gcn", hidden=7),
        theirs,
        renamed=[("^logits", "lin")],
        run=lambda model, batch: global_mean_pool(model(batch.x, batch.edge_index), batch.batch, batch.num_graphs),
    )
