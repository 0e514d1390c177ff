"""GCN: graph convolutional network (Kipf & Welling, ICLR 2017, arXiv:1609.02907), with a mean over each graph's nodes.

    h⁰       = x
    hᵏ⁺¹_i   = dropout(relu(Σ_{j → i, and j = i} (d_i d_j)^{-1/2} Wₖ hᵏ_j + bₖ))        k = 0 .. layers - 1
    logits   = V mean_i h_i^{layers} + c

d_i is the number of edges that i receives, plus 1 for itself. Edge features are unused, as in the paper.

Deviation from the paper, which classifies nodes with two layers of 16 channels: the readout, and the sizes.

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
from pbgraph.models.head import HEAD_SITES, EncoderAndHead, HeadConfig
from pbgraph.ops.dropout import dropout
from pbgraph.ops.segment import segment_mean
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class GCNConfig(HeadConfig):
    """Hyper-parameters of GCN; dropout is the paper's, the sizes are for graphs (see above).

    hidden   C, channels of nodes
    layers   graph convolutions
    dropout  probability, after each convolution
    """

    hidden: int = 64
    layers: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "layers")
        check_probabilities(self, "dropout")


class GCNNetwork(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GCNConfig) -> None:
        from torch_geometric.nn.conv import GCNConv  # takes seconds to import

        super().__init__()
        self.config = config
        widths = [dims.node] + [config.hidden] * config.layers
        self.convs = nn.ModuleList(GCNConv(n, config.hidden, normalize=False) for n in widths[:-1])
        if self.packs_head("gcn", config.hidden, dims):
            return
        self.logits = nn.Linear(config.hidden, dims.tasks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The mean over a graph's nodes, (G, C)."""
        x, (edge_index, weights) = batch.x, normalised_adjacency(batch)
        for conv in self.convs:
            x = dropout(F.relu(conv(x, edge_index, weights)), self.config.dropout, self.training)
        return segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        vectors = self.encode(batch)
        logits: Tensor = self.logits(vectors)
        return logits


def normalised_adjacency(batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """D^{-1/2} (A + 1) D^{-1/2} as edges (2, E + N) and their weights (E + N,)."""
    loops = torch.arange(len(batch.x), device=batch.x.device).expand(2, -1)
    edge_index = torch.cat([batch.edge_index, loops], dim=1)
    scale = (batch.receiver_ptr.diff() + 1).to(batch.x.dtype).rsqrt()
    return edge_index, scale[edge_index[0]] * scale[edge_index[1]]


GCN = Architecture(
    name="gcn",
    version=1,
    config=GCNConfig,
    build=GCNNetwork,
    dendrite_sites=("convs.*", "logits", *HEAD_SITES),
    width="hidden",
    source="arXiv:1609.02907; torch_geometric GCNConv",
    space={
        "hidden": Choice(32, 64, 128, 256),
        "layers": Whole(2, 5),
        "dropout": Real(0.0, 0.6),
    },
)
