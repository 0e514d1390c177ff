"""GIN: graph isomorphism network (Xu et al., ICLR 2019, arXiv:1810.00826), with ε = 0 (their GIN-0).

    h⁰     = x
    hᵏ⁺¹_i = relu(BN(W'ₖ relu(BN(Wₖ (hᵏ_i + Σ_{j → i} hᵏ_j)))))       k = 0 .. layers - 1
    logits = Σ_{k=0}^{layers} dropout(Vₖ readout_i hᵏ_i)               readout: sum or mean over a graph's nodes

Letters: N nodes, G graphs, T tasks, C channels. Edges j → i as in GraphBatch; their features are
unused, as in the paper.

Deviations from the paper: one logit per task for binary labels. Where training hands fewer than two nodes to a batch
normalisation (BN), which then has no variance, its running statistics are used.

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
from pbgraph.ops.neighbours import neighbour_sum
from pbgraph.ops.segment import segment_mean, segment_sum
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class GINConfig(HeadConfig):
    """Hyper-parameters of GIN; the defaults lie in the ranges that the paper searched.

    hidden   C, channels of nodes
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


class GINConv(nn.Module):
    """h_i -> BN(W (h_i + Σ_j h_j) + b)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.nn = LinearNorm(inputs, hidden)
        self.reset_parameters()  # a second draw, as in torch_geometric's GINConv, whose initial weights these are

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.nn.reset_parameters()

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, inputs) -> (N, C)."""
        summed: Tensor = self.nn(x + neighbour_sum(x, batch))
        return summed


class GINLayer(nn.Module):
    """h_i -> relu(BN(W' relu(BN(W (h_i + Σ_j h_j)))))."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.conv = GINConv(inputs, hidden)
        self.update = LinearNorm(hidden, hidden)

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, inputs) -> (N, C)."""
        return F.relu(self.update(F.relu(self.conv(x, batch))))


class GINNetwork(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: GINConfig) -> None:
        super().__init__()
        self.config = config
        widths = [dims.node] + [config.hidden] * config.layers
        self.layers = nn.ModuleList(GINLayer(inputs, config.hidden) for inputs in widths[:-1])
        if self.packs_head("gin", sum(widths), dims):
            return
        self.logits = nn.ModuleList(nn.Linear(inputs, dims.tasks) for inputs in widths)

    def encode(self, batch: GraphBatch) -> Tensor:
        """The readouts of all depths side by side, (G, node_dim + layers·C)."""
        return torch.cat(self._readouts(batch), dim=1)

    def _readouts(self, batch: GraphBatch) -> list[Tensor]:
        """Of every depth (G, ·)."""
        nodes = [batch.x]  # one (N, ·) for every depth
        for layer in self.layers:
            nodes.append(layer(nodes[-1], batch))
        readout = segment_sum if self.config.readout == "sum" else segment_mean
        return [readout(x, batch.batch, batch.num_graphs, batch.node_ptr) for x in nodes]

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        votes = [linear(x) for linear, x in zip(self.logits, self._readouts(batch), strict=True)]  # G x T each
        return dropout(torch.stack(votes), self.config.dropout, self.training).sum(0)


GIN = Architecture(
    name="gin",
    version=1,
    config=GINConfig,
    build=GINNetwork,
    dendrite_sites=("layers.*.conv", "layers.*.update", "logits.*", *HEAD_SITES),
    width="hidden",
    source="arXiv:1810.00826; github.com/weihua916/powerful-gnns",
    space={
        "hidden": Choice(32, 64, 128),
        "layers": Whole(2, 6),
        "dropout": Real(0.0, 0.6),
        "readout": Choice("sum", "mean"),
    },
    own_head=("dropout",),
)
