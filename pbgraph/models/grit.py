"""GRIT: a graph transformer without message passing (Ma et al., ICML 2023, arXiv:2305.17589).

    h⁰_i   = W₀ x_i + b₀ + W_p P_ii
    e⁰_ij  = W_r P_ij + U (features of the bond j → i) + u                          the last two for bonds alone
    ê_ij   = relu(ρ((Q h_i + q + K h_j) ⊙ (W e_ij + w)) + B e_ij + b)              for all pairs of nodes of a graph
    α_ij   = softmax over j of clip(a · ê_ij, ±5)                                  for each head
    y_i    = ‖_heads Σ_j α_ij (V h_j + V' ê_ij)
    h_i    ← BN(h_i + O (θ ⊙ y_i + log(1 + d_i) θ' ⊙ y_i) + o)                     d_i: edges that i receives
    h_i    ← BN(h_i + F₂ relu(F₁ h_i + f₁) + f₂)
    e_ij   ← BN(e_ij + O' ê_ij + o')                                               not after the last layer
    logits = V₂ relu(V₁ relu(V₀ Σ_i h_i + c₀) + c₁) + c₂                           sum over a graph's nodes

P_ij = [1_ij, M_ij, …, (M^(K - 1))_ij] are the probabilities that a random walk from i is at j after so many steps; and
ρ(u) = √u where u > 0, else -√-u. Nodes and pairs have D = H·C channels. In training, dropout falls on α, on y, on ê
before O', and between the layers of F.

Deviations from the authors' code (github.com/LiamMa/GRIT): 4 layers where its network for ZINC has 10, since every one
computes with all pairs of nodes; ρ has no gradient where |u| is below 10⁻¹², where it would be without limit.

``head="packed"`` puts the head of `pbgraph.models.head`, on the sum over nodes, in the place of the last equation.
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
from pbgraph.models.layers import ResidualNorm
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges, edge_softmax, weighted_sum
from pbgraph.ops.gated_pairs import gated_pairs
from pbgraph.ops.segment import segment_sum, spread
from pbgraph.ops.walks import walk_probabilities
from pbgraph.spaces import Choice, Real, Whole

CLIP = 5.0


@dataclass(frozen=True)
class GRITConfig(HeadConfig):
    """Hyper-parameters of GRIT; the defaults are the authors' for ZINC, but for the number of layers.

    hidden             C, channels of a head
    heads              H
    layers             of attention
    walk_steps         K
    dropout            probability, on what attention gives, on pairs and between the layers of F
    attention_dropout  probability, on attention weights
    readout            outputs of V₀, where None is ⌈D / 2⌉; V₁ has ⌈D / 4⌉
    """

    hidden: int = 8
    heads: int = 8
    layers: int = 4
    walk_steps: int = 21
    dropout: float = 0.0
    attention_dropout: float = 0.2
    readout: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "heads", "layers", "walk_steps", "readout")
        check_probabilities(self, "dropout", "attention_dropout")

    @property
    def channels(self) -> int:
        """D, channels of a node and of a pair."""
        return self.hidden * self.heads


class Pairs(nn.Module):
    """(h, e) -> ρ((Q h_i + q + K h_j) ⊙ (W e_ij + w)) + B e_ij + b, which is ê before its relu."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.own = nn.Linear(channels, 2 * channels)  # [W ‖ B], [w ‖ b]

    def reset_parameters(self) -> None:
        """Draw new weights: normal (Glorot & Bengio 2010), biases as torch's."""
        for linear in (self.query, self.key, self.own):
            linear.reset_parameters()
            nn.init.xavier_normal_(linear.weight)

    def forward(self, x: Tensor, edges: Tensor, pairs: Edges) -> Tensor:
        """Features of nodes (N, D) and pairs (P, D) -> (P, D)."""
        return gated_pairs(self.query(x), self.key(x), self.own(edges), pairs)


class PairAttention(nn.Module):
    """(h, ê) -> BN(h_i + O (θ ⊙ y_i + log(1 + d_i) θ' ⊙ y_i) + o), with y and α as in the module's equations."""

    def __init__(self, config: GRITConfig) -> None:
        super().__init__()
        self.config, heads, channels = config, config.heads, config.hidden
        self.value = nn.Linear(config.channels, config.channels, bias=False)  # V
        self.logit = nn.Parameter(torch.empty(heads, channels))  # a
        self.pair_value = nn.Parameter(torch.empty(heads, channels, channels))  # V'
        self.scale = nn.Parameter(torch.empty(2, config.channels))  # θ, θ'
        self.output = ResidualNorm(config.channels, config.channels)  # O, o
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: normal (Glorot & Bengio 2010), biases as torch's."""
        self.output.reset_parameters()
        for weight in (self.value.weight, self.logit, self.pair_value, self.scale):
            nn.init.xavier_normal_(weight)

    def forward(self, x: Tensor, edges: Tensor, pairs: Edges, degrees: Tensor) -> Tensor:
        """Nodes (N, D), ê (P, D) and log(1 + d) (N, 1) -> nodes (N, D)."""
        shape = (-1, self.config.heads, self.config.hidden)
        alpha = dropout(self._weights(edges, pairs), self.config.attention_dropout, self.training)  # P x H
        numbers = torch.arange(len(edges), device=edges.device)
        of_pairs = weighted_sum(alpha, edges.view(shape), Edges(numbers, pairs.receiver, pairs.ptr))  # N x H x C
        of_pairs = torch.einsum("nhc,hdc->nhd", of_pairs, self.pair_value)
        y = (weighted_sum(alpha, self.value(x).view(shape), pairs) + of_pairs).flatten(1)
        y = dropout(y, self.config.dropout, self.training)
        updated: Tensor = self.output(y * self.scale[0] + degrees * y * self.scale[1], x)
        return updated

    def _weights(self, edges: Tensor, pairs: Edges) -> Tensor:
        """α (P, H) of ê (P, D): every head's a is a column of a matrix, 0 where other heads are."""
        own = torch.eye(len(self.logit), dtype=edges.dtype, device=edges.device).unsqueeze(2) * self.logit
        return edge_softmax((edges @ own.flatten(1).t()).clamp(-CLIP, CLIP), pairs)


class GRITLayer(nn.Module):
    """One layer of the module's equations; goes_on: whether another follows, which reads pairs."""

    def __init__(self, config: GRITConfig, *, goes_on: bool) -> None:
        super().__init__()
        self.dropout, channels = config.dropout, config.channels
        self.pairs = Pairs(channels)
        self.attention = PairAttention(config)
        self.edges = ResidualNorm(channels, channels) if goes_on else None  # O', o'
        self.expand = nn.Linear(channels, 2 * channels)  # F₁, f₁
        self.contract = ResidualNorm(2 * channels, channels)  # F₂, f₂

    def forward(self, x: Tensor, edges: Tensor, pairs: Edges, degrees: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes (N, D), pairs (P, D) -> those of the next layer; after the last, pairs as they were."""
        between = F.relu(self.pairs(x, edges, pairs))
        x = self.attention(x, between, pairs, degrees)
        x = self.contract(self._dropout(F.relu(self.expand(x))), x)
        return x, edges if self.edges is None else self.edges(self._dropout(between), edges)

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)


class GRITNetwork(EncoderAndNarrowingHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GRITConfig) -> None:
        super().__init__()
        self.config, channels, last = config, config.channels, config.layers - 1
        self.nodes, self.edges = nn.Linear(dims.node, channels), nn.Linear(dims.edge, channels)
        self.node_walks, self.pair_walks = (nn.Linear(config.walk_steps, channels, bias=False) for _ in range(2))
        self.layers = nn.ModuleList(GRITLayer(config, goes_on=number < last) for number in range(config.layers))
        self.build_head("grit", channels, dims, readout=config.readout)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The sum over a graph's nodes, (G, D)."""
        pairs = Edges.complete(batch)
        walks, first = walk_probabilities(batch, pairs, self.config.walk_steps), pairs.ptr[:-1]
        place = first - batch.node_ptr[batch.batch]  # number of a node's pair with node j, less j
        itself = place + torch.arange(len(place), device=place.device)
        x = self.nodes(batch.x) + self.node_walks(walks[itself])  # N x D
        sender, receiver = batch.edge_index
        bonds = spread(self.edges(batch.edge_table), batch.edge_type)  # E x D
        edges = self.pair_walks(walks).index_add(0, place[receiver] + sender, bonds)  # P x D
        degrees = batch.receiver_ptr.diff().to(x.dtype).log1p().unsqueeze(1)
        for layer in self.layers:
            x, edges = layer(x, edges, pairs, degrees)
        return segment_sum(x, batch.batch, batch.num_graphs, batch.node_ptr)


GRIT = Architecture(
    name="grit",
    version=1,
    config=GRITConfig,
    build=GRITNetwork,
    dendrite_sites=(
        "nodes",
        "edges",
        "node_walks",
        "pair_walks",
        *(f"layers.*.{part}" for part in ("pairs", "attention", "edges", "expand", "contract")),
        "hidden.*",
        "logits",
        *HEAD_SITES,
    ),
    width="hidden",
    fine_width="readout",
    source="arXiv:2305.17589; github.com/LiamMa/GRIT",
    space={
        "hidden": Choice(4, 8, 12),
        "heads": Choice(4, 8),
        "layers": Whole(2, 6),
        "dropout": Real(0.0, 0.4),
        "attention_dropout": Real(0.0, 0.6),
    },
)
