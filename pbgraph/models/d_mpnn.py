"""D-MPNN: message passing along directed bonds (Yang et al. 2019, doi:10.1021/acs.jcim.9b00237).

    h⁰_uv  = W_i [x_u ‖ e_uv]                                       for each directed edge u → v
    h_uv   = relu(h⁰_uv)
    h_uv   = dropout(relu(h⁰_uv + W_h (Σ_{w → u} h_wu - h_vu)))     depth - 1 times: all that u receives, but not from v
    x'_v   = dropout(relu(W_o [x_v ‖ Σ_{u → v} h_uv] + b_o))
    g      = mean_v x'_v                                            one vector per graph
    logits = V₂ dropout(relu(V₁ g + c₁)) + c₂

Letters: N nodes, E directed edges, G graphs, T tasks, C channels. Every edge u → v needs its reverse v → u.
Deviation from the authors' code (github.com/chemprop/chemprop): additional features by the packed head alone. W_i is
multiplied with nodes and with distinct edge feature vectors, not with every edge.

``head="packed"`` puts the head of `pbgraph.models.head`, on g, in the place of the last equation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndHiddenLayer, HeadConfig
from pbgraph.models.layers import EdgeInput
from pbgraph.ops.dropout import dropout
from pbgraph.ops.reverse import reverse_edges
from pbgraph.ops.segment import segment_mean, segment_sum, spread
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class DMPNNConfig(HeadConfig):
    """Hyper-parameters of D-MPNN; the defaults are the authors'.

    hidden          C, channels of directed edges and nodes
    depth           of message passing: 1 + rounds of messages, at least 2
    dropout         probability, after each message, node update and hidden layer
    output_hidden   channels of the output network
    """

    hidden: int = 300
    depth: int = 3
    dropout: float = 0.0
    output_hidden: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "output_hidden")
        check_least(self, 2, "depth")
        check_probabilities(self, "dropout")


class DMPNNNetwork(EncoderAndHiddenLayer):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: DMPNNConfig) -> None:
        super().__init__()
        self.config = config
        self.edge_input = EdgeInput(dims, config.hidden)
        self.message = nn.Linear(config.hidden, config.hidden, bias=False)
        self.node_output = nn.Linear(dims.node + config.hidden, config.hidden)
        self.build_head("d-mpnn", config.hidden, dims, hidden=config.output_hidden)

    def encode(self, batch: GraphBatch) -> Tensor:
        """g, one vector per graph, (G, C)."""
        (sender, receiver), nodes = batch.edge_index, len(batch.x)
        reverse = reverse_edges(batch.edge_index)
        initial = self.edge_input(batch)  # E x C
        h = F.relu(initial)
        for _ in range(self.config.depth - 1):
            received = spread(segment_sum(h, receiver, nodes, batch.receiver_ptr), sender).sub_(spread(h, reverse))
            h = self._dropout(F.relu(initial + self.message(received)))
        received = segment_sum(h, receiver, nodes, batch.receiver_ptr)  # N x C
        x = self._dropout(F.relu(self.node_output(torch.cat([batch.x, received], dim=1))))
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


D_MPNN = Architecture(
    name="d-mpnn",
    version=1,
    config=DMPNNConfig,
    build=DMPNNNetwork,
    dendrite_sites=("edge_input", "message", "node_output", "hidden", "logits", *HEAD_SITES),
    width="hidden",
    source="doi:10.1021/acs.jcim.9b00237; github.com/chemprop/chemprop",
    space={
        "hidden": Choice(100, 200, 300),
        "depth": Whole(2, 5),
        "dropout": Real(0.0, 0.4),
        "output_hidden": Choice(100, 200, 300),
    },
    own_head=("output_hidden",),
)
