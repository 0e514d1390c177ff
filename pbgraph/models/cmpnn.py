"""CMPNN: communicative message passing of atoms and directed bonds (Song et al. 2020, doi:10.24963/ijcai.2020/392).

    h⁰_v   = relu(W_a x_v),    e⁰_uv = relu(W_b [x_u ‖ e_uv])             for each directed edge u → v
    hᵏ_v   = hᵏ⁻¹_v + B({eᵏ⁻¹_uv})                                       k = 1 .. depth - 1
    eᵏ_vw  = dropout(relu(e⁰_vw + W_k (hᵏ_v - eᵏ⁻¹_wv)))                  what v knows, but not from w
    m_v    = L [B({eᵏ_uv}) ‖ hᵏ_v ‖ h⁰_v]                                 with the last k
    x'_v   = dropout(relu(W_o GRU(relu(m_v + b), max_u m_u) + b_o))       max over the nodes u of v's graph
    logits = V₂ dropout(relu(V₁ mean_v x'_v + c₁)) + c₂                   mean over a graph's nodes

B({e_uv}) = (Σ_u e_uv) ⊙ max_u e_uv is the message booster, for each channel apart. GRU(input, state) is one step.

Letters: N nodes, E directed edges, G graphs, T tasks, C channels. Every edge u → v needs its reverse v → u.

Sums where nodes and messages communicate are those of the authors' code (github.com/SY575/CMPNN, commit f7e9bab); the
paper tries other ways too. Deviation from it: there a bidirectional GRU runs along the atoms of a molecule, so that
another numbering of the same molecule gives another prediction; here every atom takes its first step, by one GRU.

``head="packed"`` puts the head of `pbgraph.models.head`, on the mean over nodes, in the place of the last equation.
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
from pbgraph.ops.boosting import boosted_sum
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges
from pbgraph.ops.recurrent import gru_cell
from pbgraph.ops.reverse import reverse_edges
from pbgraph.ops.segment import segment_max, segment_mean, spread
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class CMPNNConfig(HeadConfig):
    """Hyper-parameters of CMPNN; the defaults are the authors'.

    hidden         C, channels of nodes and directed edges
    depth          1 + rounds of messages, at least 2
    dropout        probability, on messages, after the node update and the hidden layer
    output_hidden  channels of the output network
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


class GraphGRU(nn.Module):
    """m_v -> GRU(relu(m_v + b), max_u m_u); b starts from U(-1/√C, 1/√C), as everything in the cell."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(hidden))
        self.cell = nn.GRUCell(hidden, hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = len(self.bias) ** -0.5
        nn.init.uniform_(self.bias, -bound, bound)
        self.cell.reset_parameters()

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> (N, C)."""
        state = spread(segment_max(x, batch.batch, batch.node_ptr), batch.batch, batch.node_ptr)
        return gru_cell(self.cell, F.relu(x + self.bias), state)


class CMPNNNetwork(EncoderAndHiddenLayer):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: CMPNNConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.node_input = nn.Linear(dims.node, hidden, bias=False)  # W_a
        self.edge_input = EdgeInput(dims, hidden)  # W_b
        self.messages = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(config.depth - 1))  # W_k
        self.gather = nn.Linear(3 * hidden, hidden, bias=False)  # L
        self.gru = GraphGRU(hidden)
        self.node_output = nn.Linear(hidden, hidden)  # W_o
        self.build_head("cmpnn", hidden, dims, hidden=config.output_hidden)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The mean over a graph's nodes, (G, C)."""
        edges, reverse = Edges.of(batch), reverse_edges(batch.edge_index)
        initial = h = F.relu(self.node_input(batch.x))  # N x C
        edge_initial = e = F.relu(self.edge_input(batch))  # E x C
        for message in self.messages:
            h = h + boosted_sum(e, edges)
            known = spread(h, edges.sender).sub_(spread(e, reverse))
            e = self._dropout(F.relu(edge_initial + message(known)))
        gathered = self.gather(torch.cat([boosted_sum(e, edges), h, initial], dim=1))
        x = self._dropout(F.relu(self.node_output(self.gru(gathered, batch))))
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


CMPNN = Architecture(
    name="cmpnn",
    version=1,
    config=CMPNNConfig,
    build=CMPNNNetwork,
    dendrite_sites=(
        "node_input",
        "edge_input",
        "messages.*",
        "gather",
        "gru",
        "node_output",
        "hidden",
        "logits",
        *HEAD_SITES,
    ),
    width="hidden",
    source="doi:10.24963/ijcai.2020/392; github.com/SY575/CMPNN@f7e9bab",
    space={
        "hidden": Choice(100, 200, 300),
        "depth": Whole(2, 5),
        "dropout": Real(0.0, 0.4),
        "output_hidden": Choice(100, 200, 300),
    },
    own_head=("output_hidden",),
)
