"""GAT: graph attention network, second version (Brody et al., ICLR 2022, arXiv:2105.14491), with edge features.

    h⁰     = x
    hᵏ⁺¹_i = dropout(elu(‖_heads Σ_j α_ij (Wₛ hᵏ_j + bₛ) + b))                           k = 0 .. layers - 1
    α_ij   = softmax over j of a · leaky_relu(Wₛ hᵏ_j + bₛ + Wᵣ hᵏ_i + bᵣ + Wₑ e_ij, 0.2)
    logits = V mean_i h_i^{layers} + c                                                   mean over a graph's nodes

j runs over the senders to i and i itself, whose edge features e_ii are the mean of those that i receives. ‖ joins H
heads of C channels; each has weights of its own. In training dropout also falls on α.

Deviation from the paper, which classifies nodes and edges: the readout, and the sizes. Wₑ is multiplied with
distinct edge feature vectors, not with every edge.

``head="packed"`` puts the head of `pbgraph.models.head`, on the mean over nodes, in the place of the last equation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndHead, HeadConfig
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges, edge_softmax, weighted_sum
from pbgraph.ops.segment import segment_mean
from pbgraph.spaces import Choice, Real, Whole

NEGATIVE_SLOPE = 0.2


@dataclass(frozen=True)
class GATConfig(HeadConfig):
    """Hyper-parameters of GAT; the sizes are for small graphs, the paper's largest have 8 heads.

    hidden       C, channels of a head
    heads        H; nodes have H·C channels
    layers       attention convolutions
    dropout      probability, after each convolution and on attention weights
    last_hidden  channels of a head of the last convolution; None: C
    """

    hidden: int = 16
    heads: int = 4
    layers: int = 3
    dropout: float = 0.2
    last_hidden: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "heads", "layers", "last_hidden")
        check_probabilities(self, "dropout")


@dataclass(frozen=True, eq=False)
class LoopedEdges:
    """The edges of a batch and one from every node to itself, E + N in all.

    edges  sorted by receiver
    kind   (E + N,) int64, row of `table`
    table  (B + N, edge_dim): the batch's edge table, then the mean of what each node receives
    """

    edges: Edges
    kind: Tensor
    table: Tensor

    @classmethod
    def of(cls, batch: GraphBatch) -> LoopedEdges:
        """A loop comes before the other edges that its node receives."""
        (sender, receiver), nodes = batch.edge_index, torch.arange(len(batch.x), device=batch.x.device)
        means = segment_mean(batch.edge_attr, receiver, len(nodes), batch.receiver_ptr)
        rows = torch.stack(  # sender, receiver and kind of all edges and loops
            [
                torch.cat([nodes, sender]),
                torch.cat([nodes, receiver]),
                torch.cat([nodes + len(batch.edge_table), batch.edge_type]),
            ]
        )
        sender, receiver, kind = rows[:, torch.argsort(rows[1], stable=True)]
        ptr = batch.receiver_ptr + torch.arange(len(nodes) + 1, device=nodes.device)
        return cls(Edges(sender, receiver, ptr), kind, torch.cat([batch.edge_table, means]))


class GATConvolution(nn.Module):
    """h_i -> ‖_heads Σ_j α_ij (Wₛ h_j + bₛ) + b, with α_ij as in the module's equations.

    Initialised like torch_geometric's GATv2Conv: weights uniform (Glorot & Bengio 2010), b 0, bₛ and bᵣ as torch's.
    """

    def __init__(self, inputs: int, edge_dim: int, config: GATConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.heads * config.hidden
        self.sender, self.receiver = nn.Linear(inputs, channels), nn.Linear(inputs, channels)  # Wₛ, Wᵣ
        self.edge = nn.Linear(edge_dim, channels, bias=False)  # Wₑ
        self.attention = nn.Parameter(torch.empty(config.heads, config.hidden))  # a
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for linear in (self.sender, self.receiver, self.edge):
            linear.reset_parameters()
            nn.init.xavier_uniform_(linear.weight)
        nn.init.xavier_uniform_(self.attention)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, looped: LoopedEdges) -> Tensor:
        """Node features (N, inputs) -> (N, H·C)."""
        edges, shape = looped.edges, (-1, self.config.heads, self.config.hidden)
        senders, receivers = self.sender(x), self.receiver(x)  # N x H·C each
        u = senders[edges.sender].add_(receivers[edges.receiver]).add_(self.edge(looped.table)[looped.kind])
        logits = (F.leaky_relu(u, NEGATIVE_SLOPE).view(shape) * self.attention).sum(2)  # (E + N) x H
        alpha = dropout(edge_softmax(logits, edges), self.config.dropout, self.training)
        return weighted_sum(alpha, senders.view(shape), edges).flatten(1) + self.bias


class GATNetwork(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GATConfig) -> None:
        super().__init__()
        self.config = config
        last = config if config.last_hidden is None else replace(config, hidden=config.last_hidden)
        layers = [config] * (config.layers - 1) + [last]
        widths = [dims.node] + [layer.hidden * layer.heads for layer in layers]
        self.convs = nn.ModuleList(map(GATConvolution, widths[:-1], repeat(dims.edge), layers))
        if self.packs_head("gat", widths[-1], dims):
            return
        self.logits = nn.Linear(widths[-1], dims.tasks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The mean over a graph's nodes, (G, H·C)."""
        x, looped = batch.x, LoopedEdges.of(batch)
        for conv in self.convs:
            x = dropout(F.elu(conv(x, looped)), self.config.dropout, self.training)
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        vectors = self.encode(batch)
        logits: Tensor = self.logits(vectors)
        return logits


GAT = Architecture(
    name="gat",
    version=1,
    config=GATConfig,
    build=GATNetwork,
    dendrite_sites=("convs.*", "logits", *HEAD_SITES),
    width="hidden",
    fine_width="last_hidden",
    source="arXiv:2105.14491; torch_geometric GATv2Conv",
    space={
        "hidden": Choice(8, 16, 32),
        "heads": Choice(2, 4, 8),
        "layers": Whole(2, 5),
        "dropout": Real(0.0, 0.5),
    },
)
