"""D-MPNN against chemprop's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from parity import assert_same, double_model
from pbgraph.errors import UsageError
from pbgraph.models.d_mpnn import DMPNNConfig
from pbgraph.ops.reverse import reverse_edges
from pbgraph.testing import DIMS, molecules


@pytest.mark.parametrize("depth", [2, 4])
def test_is_chemprops(depth: int) -> None:
    pytest.importorskip("chemprop", reason="D-MPNN was not compared with chemprop's, which is not installed")
    from chemprop.data import BatchMolGraph, MolGraph
    from chemprop.nn import BinaryClassificationFFN, BondMessagePassing, MeanAggregation

    class Chemprop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.message_passing = BondMessagePassing(d_v=DIMS.node, d_e=DIMS.edge, d_h=7, depth=depth)
            self.aggregation = MeanAggregation()
            self.predictor = BinaryClassificationFFN(n_tasks=DIMS.tasks, input_dim=7, hidden_dim=5)

        def forward(self, graph: BatchMolGraph) -> torch.Tensor:
            nodes = self.message_passing(graph)
            return self.predictor.ffn(self.aggregation(nodes, graph.batch))

    def chemprop_graph(graph) -> MolGraph:  # type: ignore[no-untyped-def]
        reverse = reverse_edges(torch.from_numpy(graph.edge_index)).numpy()
        return MolGraph(graph.x.astype(np.float64), graph.edge_attr.astype(np.float64), graph.edge_index, reverse)

    graphs = [chemprop_graph(graph) for graph in molecules([5, 1, 9, 3, 12])]

    def run(model: nn.Module, _: object) -> torch.Tensor:
        graph = BatchMolGraph(graphs)
        graph.V, graph.E = graph.V.double(), graph.E.double()
        return model(graph)

    renamed = [
        (r"edge_input\.linear", "message_passing.W_i"),
        (r"^message\.", "message_passing.W_h."),
        ("node_output", "message_passing.W_o"),
        ("^hidden", "predictor.ffn.0.0"),
        ("^logits", "predictor.ffn.1.2"),
    ]
    assert_same(double_model("d-mpnn", hidden=7, output_hidden=5, depth=depth), Chemprop(), renamed=renamed, run=run)


def test_depth_without_messages_is_refused() -> None:
    with pytest.raises(UsageError, match="depth is 1, expected at least 2"):
        DMPNNConfig(depth=1)
