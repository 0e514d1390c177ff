"""PNA: principal neighbourhood aggregation (Corso et al., NeurIPS 2020, arXiv:2004.05718), with edge features.

    h⁰     = W₀ x + b₀
    hᵏ⁺¹_i = hᵏ_i + dropout(relu(BN(L [W [hᵏ_i ‖ y_i ‖ s_i y_i ‖ y_i / s_i] + b] + c)))       k = 0 .. layers - 1
    y_i    = [mean ‖ min ‖ max ‖ deviation] over j → i of  M [hᵏ_i ‖ hᵏ_j ‖ U e_ij + u] + m
    s_i    = log(d_i + 1) / δ                                           d_i edges are received by i
    logits = V₂ relu(V₁ relu(V₀ mean_i h_i^{layers} + c₀) + c₁) + c₂    mean over a graph's nodes

δ is the mean of log(d + 1) over the atoms of training molecules. It is a setting, 1.09, since it is that of Tox21's
145,256 atoms to three digits and hardly differs between sets of molecules. In y_i / s_i a node without edges counts
as having one.

Deviations from the authors' code (github.com/lukecavabarrett/pna): their model for molecules has either edge
features or no M; the graph-size normalisation is left out, and layers are as in torch_geometric's PNAConv (L, c).
M is multiplied with nodes and distinct edge feature vectors, not with every edge.

``head="packed"`` puts the head of `pbgraph.models.head`, on the mean over nodes, in the place of the last equation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.fields import check_least, check_positive, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndNarrowingHead, HeadConfig
from pbgraph.models.layers import BatchNorm
from pbgraph.ops.dropout import dropout
from pbgraph.ops.edges import Edges
from pbgraph.ops.segment import segment_mean, spread
from pbgraph.ops.statistics import edge_statistics
from pbgraph.spaces import Choice, Real, Whole

SCALED = 3  # y, s y and y / s
STATISTICS = 4


@dataclass(frozen=True)
class PNAConfig(HeadConfig):
    """Hyper-parameters of PNA; the defaults are those of the authors' model for molecules (ogbg-molhiv).

    hidden           C, channels of nodes; the readout has ⌈C / 2⌉ and ⌈C / 4⌉
    layers           message-passing layers
    dropout          probability, after each layer
    mean_log_degree  δ
    """

    hidden: int = 80
    layers: int = 4
    dropout: float = 0.3
    mean_log_degree: float = 1.09

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "layers")
        check_probabilities(self, "dropout")
        check_positive(self, "mean_log_degree")


class PNALayer(nn.Module):
    """h_i -> BN(L [W [h_i ‖ y_i ‖ s_i y_i ‖ y_i / s_i] + b] + c), with y_i of the messages, see the module."""

    def __init__(self, hidden: int, edge_dim: int, mean_log_degree: float) -> None:
        super().__init__()
        self.mean_log_degree = mean_log_degree
        self.edge = nn.Linear(edge_dim, hidden)  # U, u
        self.message = nn.Linear(3 * hidden, hidden)  # M, m
        self.update = nn.Linear((1 + SCALED * STATISTICS) * hidden, hidden)  # W, b
        self.output = nn.Linear(hidden, hidden)  # L, c
        self.norm = BatchNorm(hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> (N, C)."""
        y = edge_statistics(self._messages(x, batch), Edges.of(batch))  # N x 4C
        itself, statistics = self.update.weight[:, : x.shape[1]], self.update.weight[:, x.shape[1] :]
        per_scale = statistics.view(x.shape[1], SCALED, -1).transpose(0, 1).flatten(0, 1)  # 3C x 4C
        scaled = (y @ per_scale.t()).view(len(x), SCALED, x.shape[1]) * self._scales(x, batch)
        normalised: Tensor = self.norm(self.output(F.linear(x, itself, self.update.bias) + scaled.sum(1)))
        return normalised

    def _messages(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """(E, C)."""
        receiver, sender, edge = self.message.weight.chunk(3, dim=1)
        edges = F.linear(self.edge(batch.edge_table), edge, self.message.bias)  # B x C
        senders = spread(x @ sender.t(), batch.edge_index[0])
        receivers = spread(x @ receiver.t(), batch.edge_index[1], batch.receiver_ptr)
        return senders.add_(receivers).add_(spread(edges, batch.edge_type))

    def _scales(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """(N, 3, 1): 1, s_i and 1 / s_i."""
        degree = batch.receiver_ptr.diff().to(x.dtype)
        amplified = torch.log(degree + 1) / self.mean_log_degree
        attenuated = self.mean_log_degree / torch.log(degree.clamp(min=1) + 1)
        return torch.stack([torch.ones_like(degree), amplified, attenuated], dim=1).unsqueeze(2)


class PNANetwork(EncoderAndNarrowingHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: PNAConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.embedding = nn.Linear(dims.node, hidden)
        self.layers = nn.ModuleList(PNALayer(hidden, dims.edge, config.mean_log_degree) for _ in range(config.layers))
        self.build_head("pna", hidden, dims)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The mean over a graph's nodes, (G, C)."""
        x = self.embedding(batch.x)  # N x C
        for layer in self.layers:
            x = x + dropout(F.relu(layer(x, batch)), self.config.dropout, self.training)
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)


PNA = Architecture(
    name="pna",
    version=1,
    config=PNAConfig,
    build=PNANetwork,
    dendrite_sites=("embedding", "layers.*", "hidden.*", "logits", *HEAD_SITES),
    width="hidden",
    source="arXiv:2004.05718; github.com/lukecavabarrett/pna; torch_geometric PNAConv",
    space={
        "hidden": Choice(32, 48, 80),
        "layers": Whole(2, 5),
        "dropout": Real(0.0, 0.5),
    },
)
