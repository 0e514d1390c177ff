"""GPS: graph transformer of local messages and global attention (Rampášek et al., NeurIPS 2022, arXiv:2205.12454).

    h⁰     = [W₀ x + b₀ ‖ W_p BN(p) + b_p]
    a_i    = BN(h_i + dropout(W' relu(W (h_i + Σ_{j → i} relu(h_j + e_ij)))))      local: GINE
    g_i    = BN(h_i + dropout(Attention(h)_i))                                     global: all nodes of i's graph
    h_i    ← BN(a_i + g_i + dropout(F₂ dropout(relu(F₁ (a_i + g_i)))))             `layers` times
    logits = V₂ relu(V₁ relu(V₀ Σ_i h_i + c₀) + c₁) + c₂                           sum over a graph's nodes

p_i (K,) are the probabilities that a random walk from i is back after 1, 2, …, K steps; e = U (edge features) + u.
All of W, F and V have a bias. Nodes have D = H·C channels.

Deviations from the authors' code (github.com/rampasek/GraphGPS): those of torch_geometric's example (sizes, head, h⁰);
the keys of the attention have no bias, which would cancel in the softmax. Attention runs over the pairs of nodes of
each graph, so nothing is padded.

``head="packed"`` puts the head of `pbgraph.models.head`, on the sum over nodes, in the place of the last equation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, cat, nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndNarrowingHead, HeadConfig
from pbgraph.models.layers import BatchNorm, ResidualNorm
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges, edge_scores, edge_softmax, weighted_sum
from pbgraph.ops.messages import relu_sum
from pbgraph.ops.segment import segment_sum
from pbgraph.ops.walks import return_probabilities
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class GPSConfig(HeadConfig):
    """Hyper-parameters of GPS; the defaults are those of torch_geometric's example (examples/graph_gps.py).

    hidden             C, channels of a head
    heads              H
    layers             of messages and attention
    walk_steps         K
    walk_channels      channels of h⁰ that come from p; fewer than D
    dropout            probability, after local messages, attention, and each layer of F
    attention_dropout  probability, on attention weights
    readout            outputs of V₀, where None is ⌈D / 2⌉; V₁ has ⌈D / 4⌉
    """

    hidden: int = 16
    heads: int = 4
    layers: int = 10
    walk_steps: int = 20
    walk_channels: int = 8
    dropout: float = 0.0
    attention_dropout: float = 0.5
    readout: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "heads", "layers", "walk_steps", "walk_channels", "readout")
        if self.walk_channels >= self.channels:
            raise UsageError(
                f"walk_channels is {self.walk_channels}, expected fewer than heads · hidden, {self.channels}"
            )
        check_probabilities(self, "dropout", "attention_dropout")

    @property
    def channels(self) -> int:
        """D, channels of a node."""
        return self.hidden * self.heads


class WalkEncoding(nn.Module):
    """p_i -> W BN(p_i) + b."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm(steps)
        self.linear = nn.Linear(steps, channels)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.norm.reset_parameters()
        self.linear.reset_parameters()

    def forward(self, p: Tensor) -> Tensor:
        """(N, K) -> (N, channels)."""
        encoded: Tensor = self.linear(self.norm(p))
        return encoded


class GlobalAttention(nn.Module):
    """x -> BN(x + dropout(O [‖_heads Σ_j α_ij v_j] + o)), with α_ij = softmax over j of q_i · k_j / √C.

    j runs over the nodes of i's graph. q, k, v are linear in x, k without a bias. Initialised like torch's
    MultiheadAttention: weights uniform (Glorot & Bengio 2010), biases 0.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, config: GPSConfig) -> None:
        super().__init__()
        self.config, channels = config, config.channels
        self.query, self.value = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.output = ResidualNorm(channels, channels, config.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.output.reset_parameters()
        for linear in (self.query, self.key, self.value):
            bound = math.sqrt(6 / (4 * self.config.channels))  # all three count as one matrix (3D, D)
            nn.init.uniform_(linear.weight, -bound, bound)
        for linear in (self.query, self.value, self.output.linear):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, pairs: Edges) -> Tensor:
        """Node features (N, D) and all pairs of nodes of the same graph, `Edges.complete` -> (N, D)."""
        q, k, v = (linear(x).unflatten(1, (self.config.heads, -1)) for linear in (self.query, self.key, self.value))
        alpha = edge_softmax(edge_scores(q / math.sqrt(self.config.hidden), k, pairs), pairs)  # pairs x H
        alpha = dropout(alpha, self.config.attention_dropout, self.training)
        attended: Tensor = self.output(weighted_sum(alpha, v, pairs).flatten(1), x)
        return attended


class LocalMessages(nn.Module):
    """h_i -> W (h_i + Σ_{j → i} relu(h_j + e_ij)) + b."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.linear.reset_parameters()

    def forward(self, x: Tensor, edges: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, D), those of kinds of edges (B, D) -> (N, D)."""
        out: Tensor = self.linear(x + relu_sum(x, edges, batch))
        return out


class GPSLayer(nn.Module):
    """One layer of the module's equations."""

    def __init__(self, config: GPSConfig) -> None:
        super().__init__()
        self.dropout, channels = config.dropout, config.channels
        self.conv = LocalMessages(channels)
        self.update = ResidualNorm(channels, channels, config.dropout)
        self.attention = GlobalAttention(config)
        self.expand = nn.Linear(channels, 2 * channels)
        self.contract = ResidualNorm(2 * channels, channels, config.dropout)

    def forward(self, x: Tensor, batch: GraphBatch, edges: Tensor, pairs: Edges) -> Tensor:
        """Node features (N, D), those of kinds of edges (B, D), pairs of nodes -> node features (N, D)."""
        local = self.update(F.relu(self.conv(x, edges, batch)), x)
        both = local + self.attention(x, pairs)
        updated: Tensor = self.contract(dropout(F.relu(self.expand(both)), self.dropout, self.training), both)
        return updated


class GPSNetwork(EncoderAndNarrowingHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GPSConfig) -> None:
        super().__init__()
        self.config, channels = config, config.channels
        self.nodes = nn.Linear(dims.node, channels - config.walk_channels)
        self.walks = WalkEncoding(config.walk_steps, config.walk_channels)
        self.edges = nn.Linear(dims.edge, channels)
        self.layers = nn.ModuleList(GPSLayer(config) for _ in range(config.layers))
        self.build_head("gps", channels, dims, readout=config.readout)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The sum over a graph's nodes, (G, D)."""
        x = cat([self.nodes(batch.x), self.walks(return_probabilities(batch, self.config.walk_steps))], dim=1)  # N x D
        edges, pairs = self.edges(batch.edge_table), Edges.complete(batch)
        for layer in self.layers:
            x = layer(x, batch, edges, pairs)
        return segment_sum(x, batch.batch, batch.num_graphs, batch.node_ptr)


GPS = Architecture(
    name="gps",
    version=1,
    config=GPSConfig,
    build=GPSNetwork,
    dendrite_sites=(
        "nodes",
        "walks",
        "edges",
        *(f"layers.*.{part}" for part in ("conv", "update", "attention", "expand", "contract")),
        "hidden.*",
        "logits",
        *HEAD_SITES,
    ),
    width="hidden",
    fine_width="readout",
    source="arXiv:2205.12454; torch_geometric GPSConv and examples/graph_gps.py",
    space={
        "hidden": Choice(8, 16, 32),
        "heads": Choice(2, 4),
        "layers": Whole(2, 6),
        "dropout": Real(0.0, 0.4),
        "attention_dropout": Real(0.0, 0.6),
    },
)
