"""GINE: graph isomorphism network with edge features (Hu et al., ICLR 2020, arXiv:1905.12265), with ε = 0.

    h⁰     = W₀ x + b₀
    hᵏ⁺¹_i = relu(BN(W'ₖ relu(BN(Wₖ (hᵏ_i + Σ_{j → i} relu(hᵏ_j + Uₖ e_ij + cₖ))))))        k = 0 .. layers - 1
    logits = Σ_{k=0}^{layers} dropout(Vₖ readout_i hᵏ_i)                readout: sum or mean over a graph's nodes

Deviations from the paper: no pre-training, and sizes and head are those of `pbgraph.models.gin`, so that the two
differ in the edges alone; the paper has 300 channels and reads out the last layer.

``head="packed"`` puts the head of `pbgraph.models.head`, on all readouts, in the place of the last equation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndHead, HeadConfig
from pbgraph.models.layers import LinearNorm
from pbgraph.ops.dropout import dropout
from pbgraph.ops.messages import relu_sum
from pbgraph.ops.segment import segment_mean, segment_sum
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class GINEConfig(HeadConfig):
    """Hyper-parameters of GINE.

    hidden   C, channels of nodes and edges
    layers   message-passing layers
    dropout  probability, on every layer's contribution to the logits
    readout  "sum", or "mean"
    """

    hidden: int = 64
    layers: int = 5
    dropout: float = 0.5
    readout: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "layers")
        check_probabilities(self, "dropout")
        if self.readout not in ("sum", "mean"):
            raise UsageError(f"readout is {self.readout!r}, expected 'sum' or 'mean'")


class GINEConvolution(nn.Module):
    """h_i -> BN(W (h_i + Σ_j relu(h_j + U e_ij + c))); U meets each distinct edge feature vector once."""

    def __init__(self, hidden: int, edge_dim: int) -> None:
        super().__init__()
        self.edge = nn.Linear(edge_dim, hidden)
        self.node = LinearNorm(hidden, hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.edge.reset_parameters()
        self.node.reset_parameters()

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> (N, C)."""
        out: Tensor = self.node(x + relu_sum(x, self.edge(batch.edge_table), batch))
        return out


class GINELayer(nn.Module):
    """h_i -> relu(BN(W' relu(GINEConvolution(h)_i)))."""

    def __init__(self, hidden: int, edge_dim: int) -> None:
        super().__init__()
        self.conv = GINEConvolution(hidden, edge_dim)
        self.update = LinearNorm(hidden, hidden)

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> (N, C)."""
        return F.relu(self.update(F.relu(self.conv(x, batch))))


class GINENetwork(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GINEConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Linear(dims.node, config.hidden)
        self.layers = nn.ModuleList(GINELayer(config.hidden, dims.edge) for _ in range(config.layers))
        if self.packs_head("gine", config.hidden * (config.layers + 1), dims):
            return
        self.logits = nn.ModuleList(nn.Linear(config.hidden, dims.tasks) for _ in range(config.layers + 1))

    def encode(self, batch: GraphBatch) -> Tensor:
        """The readouts of all depths side by side, (G, (layers + 1)·C)."""
        return torch.cat(self._readouts(batch), dim=1)

    def _readouts(self, batch: GraphBatch) -> list[Tensor]:
        """Of every depth (G, ·)."""
        nodes = [self.embedding(batch.x)]  # one (N, C) for every depth
        for layer in self.layers:
            nodes.append(layer(nodes[-1], batch))
        readout = segment_sum if self.config.readout == "sum" else segment_mean
        return [readout(x, batch.batch, batch.num_graphs, batch.node_ptr) for x in nodes]

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        votes = [linear(x) for linear, x in zip(self.logits, self._readouts(batch), strict=True)]  # G x T each
        return dropout(torch.stack(votes), self.config.dropout, self.training).sum(0)


GINE = Architecture(
    name="gine",
    version=1,
    config=GINEConfig,
    build=GINENetwork,
    dendrite_sites=("embedding", "layers.*.conv", "layers.*.update", "logits.*", *HEAD_SITES),
    width="hidden",
    source="arXiv:1905.12265; torch_geometric GINEConv",
    space={
        "hidden": Choice(32, 64, 128),
        "layers": Whole(2, 6),
        "dropout": Real(0.0, 0.6),
        "readout": Choice("sum", "mean"),
    },
    own_head=("dropout",),
)
