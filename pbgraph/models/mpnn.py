"""MPNN: message passing with an edge network and a set2set readout (Gilmer et al., ICML 2017, arXiv:1704.01212).

    h⁰     = relu(W₀ x + b₀)
    mᵗ_i   = Σ_{j → i} hᵗ_j A(e_ij),   hᵗ⁺¹ = GRU(mᵗ, hᵗ)            t = 0 .. steps - 1, always with the same weights
    A(e)   = W₂ relu(W₁ e + b₁) + b₂, read as a matrix (C, C); h are rows
    q      = Set2Set(h^steps)                                        one vector per graph, 2C
    logits = V₂ dropout(relu(V₁ q + c₁)) + c₂

Deviations from the paper: sizes and h⁰ are those of torch_geometric's example for QM9 (examples/qm9_nn_conv.py);
hydrogens and distances between atoms are no part of the graphs; a bond without direction gives both edges the same A.
A is computed, and multiplied with, once for each distinct edge feature vector.

``head="packed"`` puts the head of `pbgraph.models.head`, on q, in the place of the last equation.
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
from pbgraph.models.layers import Set2Set
from pbgraph.ops.recurrent import gru_cell
from pbgraph.ops.segment import segment_sum, spread
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class MPNNConfig(HeadConfig):
    """Hyper-parameters of MPNN; the defaults are those of torch_geometric's example.

    hidden         C, channels of nodes
    edge_hidden    channels of the edge network
    steps          of message passing, with shared weights
    set2set_steps  steps of the readout
    dropout        probability, before the last layer
    """

    hidden: int = 64
    edge_hidden: int = 128
    steps: int = 3
    set2set_steps: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "edge_hidden", "steps", "set2set_steps")
        check_probabilities(self, "dropout")


class EdgeNetwork(nn.Module):
    """m_i = Σ_j h_j A(e_ij), with A(e) = W₂ relu(W₁ e + b₁) + b₂ read as a matrix."""

    def __init__(self, hidden: int, edge_dim: int, edge_hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(edge_dim, edge_hidden)
        self.matrix = nn.Linear(edge_hidden, hidden * hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.expand.reset_parameters()
        self.matrix.reset_parameters()

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> messages (N, C): one matrix product for each kind of edge."""
        channels = x.shape[1]
        matrices = self.matrix(F.relu(self.expand(batch.edge_table))).view(-1, channels, channels)  # B x C x C
        order = torch.argsort(batch.edge_type, stable=True)
        sender, receiver = batch.edge_index[:, order]
        counts = torch.bincount(batch.edge_type, minlength=len(matrices)).tolist()
        groups = torch.split(spread(x, sender), counts)
        parts = [h @ matrix for h, matrix in zip(groups, matrices, strict=True) if len(h)]
        messages = torch.cat([x.new_zeros(0, channels), *parts])  # E x C
        return segment_sum(messages, receiver, len(x))


class GRU(nn.Module):
    """GRU cell (Cho et al. 2014, arXiv:1406.1078): h' = GRU(m, h), both its output and its state."""

    recurrent_state = True

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(hidden, hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.cell.reset_parameters()

    def forward(self, message: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Message (N, C) and state (N, C) -> node features (N, C) and next state (N, C)."""
        h = gru_cell(self.cell, message, h)
        return h, h


class MPNNNetwork(EncoderAndHiddenLayer):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: MPNNConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.embedding = nn.Linear(dims.node, hidden)
        self.message = EdgeNetwork(hidden, dims.edge, config.edge_hidden)
        self.gru = GRU(hidden)
        self.set2set = Set2Set(hidden, config.set2set_steps)
        self.build_head("mpnn", 2 * hidden, dims, hidden=hidden)

    def encode(self, batch: GraphBatch) -> Tensor:
        """q, one vector per graph, (G, 2C)."""
        x = h = F.relu(self.embedding(batch.x))  # N x C
        for _ in range(self.config.steps):
            x, h = self.gru(self.message(x, batch), h)
        vectors: Tensor = self.set2set(x, batch)
        return vectors


MPNN = Architecture(
    name="mpnn",
    version=2,
    config=MPNNConfig,
    build=MPNNNetwork,
    dendrite_sites=("embedding", "message", "gru", "set2set", "hidden", "logits", *HEAD_SITES),
    width="hidden",
    source="arXiv:1704.01212; torch_geometric examples/qm9_nn_conv.py",
    space={
        "hidden": Choice(32, 48, 64),
        "edge_hidden": Choice(32, 64, 128),
        "steps": Whole(2, 5),
        "set2set_steps": Whole(2, 4),
        "dropout": Real(0.0, 0.5),
    },
    own_head=("dropout",),
)
