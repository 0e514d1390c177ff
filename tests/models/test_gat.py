"""GAT against torch_geometric's model."""

from __future__ import annotations

from parity import assert_same, double_model
from pbgraph.testing import DIMS


def test_is_torch_geometrics_gat_with_a_mean_over_nodes() -> None:
    from torch_geometric.nn.models import GAT
    from torch_geometric.nn.pool import global_mean_pool

    theirs = GAT(DIMS.node, 8, 3, out_channels=DIMS.tasks, v2=True, heads=2, edge_dim=DIMS.edge, act="elu", jk="last")
    assert_same(
        double_model("gat", hidden=4, heads=2),
        theirs,
        renamed=[
            ("^logits", "lin"),
            (r"\.sender", ".lin_l"),
            (r"\.receiver", ".lin_r"),
            (r"\.edge", ".lin_edge"),
            (r"\.attention", ".att"),
        ],
        run=lambda model, batch: global_mean_pool(
            model(batch.x, batch.edge_index, edge_attr=batch.edge_attr), batch.batch, batch.num_graphs
        ),
    )
