"""GatedGCN: residual gated graph convolution (Bresson & Laurent 2017, arXiv:1711.07553), with features of edges.

    h⁰      = W₀ x + b₀,    e⁰ = U₀ (edge features) + u₀
    ê_ij    = A hᵏ_i + a + B hᵏ_j + C eᵏ_ij                                   j → i;  k = 0 .. layers - 1
    m_i     = Σ_j σ(ê_ij) ⊙ (V hᵏ_j + v) / (Σ_j σ(ê_ij) + 10⁻⁶)
    hᵏ⁺¹_i  = dropout(hᵏ_i + relu(BN(U hᵏ_i + u + m_i)))
    eᵏ⁺¹_ij = dropout(eᵏ_ij + relu(BN(ê_ij)))                                 not after the last layer
    logits  = V₂ relu(V₁ relu(V₀ mean_i h_i^{layers} + c₀) + c₁) + c₂         mean over a graph's nodes

Nodes and edges have C channels. This is the form of the benchmark of Dwivedi et al. 2020, arXiv:2003.00982, as its code
(github.com/graphdeeplearning/benchmarking-gnns) has it, where gates are of ê; its text has them of e. Deviation from
the code: of three biases that are added to each other in ê, one is kept.

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
from pbgraph.models.head import HEAD_SITES, EncoderAndNarrowingHead, HeadConfig
from pbgraph.models.layers import BatchNorm
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges
from pbgraph.ops.gates import gated_mean
from pbgraph.ops.segment import segment_mean, spread
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class GatedGCNConfig(HeadConfig):
    """Hyper-parameters of GatedGCN; the defaults are the benchmark's for 100,000 parameters.

    hidden   C, channels of nodes and edges
    layers   of gated convolutions
    dropout  probability, on nodes and edges after each layer
    readout  outputs of V₀, where None is ⌈C / 2⌉; V₁ has ⌈C / 4⌉
    """

    hidden: int = 70
    layers: int = 4
    dropout: float = 0.0
    readout: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "layers", "readout")
        check_probabilities(self, "dropout")


class EdgeGates(nn.Module):
    """ê_ij = A h_i + a + B h_j + C e_ij, and beside it BN(ê) where edges go on.

    goes_on  whether a layer follows that reads edges
    """

    def __init__(self, hidden: int, *, goes_on: bool) -> None:
        super().__init__()
        self.receiver = nn.Linear(hidden, hidden)  # A, a
        self.sender = nn.Linear(hidden, hidden, bias=False)  # B
        self.edge = nn.Linear(hidden, hidden, bias=False)  # C
        self.norm = BatchNorm(hidden) if goes_on else None

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, edges: Tensor, batch: GraphBatch) -> Tensor:
        """Features of nodes (N, C) and edges (E, C) -> ê (E, C), or [ê ‖ BN(ê)] (E, 2C)."""
        sender, receiver = batch.edge_index
        logits: Tensor = self.edge(edges)
        logits = logits + spread(self.receiver(x), receiver, batch.receiver_ptr) + spread(self.sender(x), sender)
        return logits if self.norm is None else torch.cat([logits, self.norm(logits)], dim=1)


class GatedConvolution(nn.Module):
    """h_i -> BN(U h_i + u + m_i), where m_i is the mean of V h_j + v by gates."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.itself = nn.Linear(hidden, hidden)  # U, u
        self.sender = nn.Linear(hidden, hidden)  # V, v
        self.norm = BatchNorm(hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, gates: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) and gates (E, C) -> (N, C)."""
        out: Tensor = self.norm(self.itself(x) + gated_mean(gates, self.sender(x), Edges.of(batch)))
        return out


class GatedGCNLayer(nn.Module):
    """One layer of the module's equations."""

    def __init__(self, config: GatedGCNConfig, *, goes_on: bool) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.gates = EdgeGates(config.hidden, goes_on=goes_on)
        self.conv = GatedConvolution(config.hidden)

    def forward(self, x: Tensor, edges: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor]:
        """Features of nodes (N, C) and edges (E, C) -> those of the next layer; after the last, edges as they were."""
        logits, *normalised = self.gates(x, edges, batch).split(x.shape[1], dim=1)
        x = self._updated(x, self.conv(x, torch.sigmoid(logits), batch))
        return x, self._updated(edges, normalised[0]) if normalised else edges

    def _updated(self, x: Tensor, change: Tensor) -> Tensor:
        return dropout(x + F.relu(change), self.dropout, self.training)


class GatedGCNNetwork(EncoderAndNarrowingHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GatedGCNConfig) -> None:
        super().__init__()
        self.config = config
        hidden, last = config.hidden, config.layers - 1
        self.nodes, self.edges = nn.Linear(dims.node, hidden), nn.Linear(dims.edge, hidden)
        self.layers = nn.ModuleList(GatedGCNLayer(config, goes_on=number < last) for number in range(config.layers))
        self.build_head("gatedgcn", hidden, dims, readout=config.readout)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The mean over a graph's nodes, (G, C)."""
        x, edges = self.nodes(batch.x), spread(self.edges(batch.edge_table), batch.edge_type)  # N x C, E x C
        for layer in self.layers:
            x, edges = layer(x, edges, batch)
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)


GATEDGCN = Architecture(
    name="gatedgcn",
    version=1,
    config=GatedGCNConfig,
    build=GatedGCNNetwork,
    dendrite_sites=("nodes", "edges", "layers.*.gates", "layers.*.conv", "hidden.*", "logits", *HEAD_SITES),
    width="hidden",
    fine_width="readout",
    source="arXiv:1711.07553; arXiv:2003.00982; github.com/graphdeeplearning/benchmarking-gnns",
    space={
        "hidden": Choice(32, 48, 70),
        "layers": Whole(2, 6),
        "dropout": Real(0.0, 0.4),
    },
)
