"""TrimNet: triplet message passing (Li et al., Briefings in Bioinformatics 2021, doi:10.1093/bib/bbaa266).

    x⁰     = celu(W₀ x + b₀)
    xᵈ⁺¹   = xᵈ + dropout(Blockᵈ(xᵈ, edges))                d = 0 .. depth - 1
    q      = Set2Set(xᵈᵉᵖᵗʰ)                                 one vector per graph, 2C
    logits = W₂ dropout(relu(LayerNorm(W₁ q + b₁))) + b₂

    Block(x): h⁰ = x, then `steps` times, always with the same weights:
              mᵗ = celu(TripletConv(xᵗ, edges));  xᵗ⁺¹, hᵗ⁺¹ = GRUNorm(mᵗ, hᵗ)

Letters: N nodes, B distinct edge feature vectors, G graphs, T tasks, C channels, H heads.

Deviations from the authors' code (github.com/yvquanli/TrimNet, commit 147ca4d), none of which changes a value:
edge features are projected once per distinct vector; the attention logit is a sum of three terms; the two logits
of a task's classes are returned as their difference, whose sigmoid is the softmax probability of class 1.
The option ``logits_per_task=1`` puts a single logit in their place, and ``head="packed"`` the head of
`pbgraph.models.head` in that of the last equation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.fields import check_least, check_probabilities
from pbgraph.graph import GraphBatch
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import HEAD_SITES, EncoderAndHead, HeadConfig
from pbgraph.models.layers import Set2Set
from pbgraph.ops.activations import celu
from pbgraph.ops.dropout import dropout
from pbgraph.ops.recurrent import gru_cell_norm
from pbgraph.ops.triplet import triplet_attention
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class TrimNetConfig(HeadConfig):
    """Hyper-parameters of TrimNet; the defaults are the paper's.

    hidden           C, channels of nodes
    depth            number of blocks
    heads            H of the attention
    dropout          probability, after each block and before the last layer
    output_hidden    channels of the output network
    steps            message-passing steps of a block, with shared weights
    set2set_steps    steps of the readout
    logits_per_task  2: one logit for each class, as in the paper; 1: one logit
    """

    hidden: int = 32
    depth: int = 3
    heads: int = 4
    dropout: float = 0.2
    output_hidden: int = 512
    steps: int = 3
    set2set_steps: int = 3
    logits_per_task: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "depth", "heads", "output_hidden", "steps", "set2set_steps")
        check_probabilities(self, "dropout")
        if self.logits_per_task not in (1, 2):
            raise UsageError(f"logits_per_task is {self.logits_per_task}, expected 1 or 2")


class TripletConv(nn.Module):
    """Multi-head triplet attention; for each head, with v_j = W_n x_j and e_ij = W_e (features of edge ij)::

        l_ij = leaky_relu(a · [v_i ‖ e_ij ‖ v_j], 0.2)
        α_ij = softmax of l_ij over the edges that i receives
        y_i  = W_s (‖_heads Σ_j α_ij · e_ij ⊙ v_j) + bias

    weight_node (C, H·C) = W_n; weight_edge (edge_dim, H·C) = W_e; weight_triplet_att (1, H, 3C) = a;
    weight_scale (H·C, C) = W_s. All start from He et al.'s uniform distribution, the bias from 0.
    """

    def __init__(self, hidden: int, edge_dim: int, heads: int) -> None:
        super().__init__()
        self.weight_node = nn.Parameter(torch.empty(hidden, heads * hidden))
        self.weight_edge = nn.Parameter(torch.empty(edge_dim, heads * hidden))
        self.weight_triplet_att = nn.Parameter(torch.empty(1, heads, 3 * hidden))
        self.weight_scale = nn.Parameter(torch.empty(heads * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(hidden))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for weight in (self.weight_node, self.weight_edge, self.weight_triplet_att, self.weight_scale):
            nn.init.kaiming_uniform_(weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> aggregated messages (N, C)."""
        receiver, edge, sender = self.weight_triplet_att.chunk(3, dim=2)  # 1 x H x C each
        node = _project(x, self.weight_node, receiver, sender)  # N x H x (C + 2)
        edges = _project(batch.edge_table, self.weight_edge, edge)  # B x H x (C + 1)
        messages = triplet_attention(node, edges, batch).flatten(1)  # N x H·C
        return torch.addmm(self.bias, messages, self.weight_scale)


def _project(x: Tensor, weight: Tensor, *attention: Tensor) -> Tensor:
    """(n, D) -> (n, H, C + k): projection of every head and its k attention terms, in one product.

    weight (D, H·C), attention (1, H, C): for each head, W x and a_1 · W x, a_2 · W x, ...
    """
    per_head = weight.view(len(weight), attention[0].shape[1], -1)  # D x H x C
    terms = [(per_head * a).sum(2, keepdim=True) for a in attention]  # D x H x 1
    extended = torch.cat([per_head, *terms], dim=2)
    return (x @ extended.flatten(1)).view(len(x), *extended.shape[1:])


class GRUNorm(nn.Module):
    """GRU cell (Cho et al. 2014, arXiv:1406.1078) and LayerNorm: h' = GRU(m, h), x = LayerNorm(h')."""

    recurrent_state = True

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.cell.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, message: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Message (N, C) and state (N, C) -> node features (N, C) and next state (N, C)."""
        return gru_cell_norm(self.cell, self.norm, message, h)


class Block(nn.Module):
    """`steps` rounds of message passing with shared weights; see the equations at the top of the module."""

    def __init__(self, hidden: int, edge_dim: int, heads: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.conv = TripletConv(hidden, edge_dim, heads)
        self.gru = GRUNorm(hidden)

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> node features (N, C)."""
        h = x
        for _ in range(self.steps):
            x, h = self.gru(celu(self.conv(x, batch)), h)
        return x


class LinearNorm(nn.Module):
    """LayerNorm(W x + b)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.linear.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        normalised: Tensor = self.norm(self.linear(x))
        return normalised


class TrimNet(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: TrimNetConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.lin0 = nn.Linear(dims.node, hidden)
        self.blocks = nn.ModuleList(Block(hidden, dims.edge, config.heads, config.steps) for _ in range(config.depth))
        self.set2set = Set2Set(hidden, config.set2set_steps)
        if self.packs_head("trimnet", 2 * hidden, dims):
            return
        self.hidden = LinearNorm(2 * hidden, config.output_hidden)
        self.logits = nn.Linear(config.output_hidden, config.logits_per_task * dims.tasks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """One vector per graph, (G, 2C)."""
        x = celu(self.lin0(batch.x))  # N x C
        for block in self.blocks:
            x = x + self._dropout(block(x, batch))
        vectors: Tensor = self.set2set(x, batch)
        return vectors

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        vectors = self.encode(batch)
        hidden = F.relu(self.hidden(vectors))  # G x output_hidden
        logits = self.logits(self._dropout(hidden))
        return logits if self.config.logits_per_task == 1 else _differences(logits)

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


def _differences(logits: Tensor) -> Tensor:
    """(G, 2T), the columns of task t being 2t (class 0) and 2t + 1 (class 1) -> (G, T), class 1 minus class 0."""
    return logits[:, 1::2] - logits[:, 0::2]


TRIMNET = Architecture(
    name="trimnet",
    version=2,
    config=TrimNetConfig,
    build=TrimNet,
    dendrite_sites=("lin0", "blocks.*.conv", "blocks.*.gru", "set2set", "hidden", "logits", *HEAD_SITES),
    width="hidden",
    fine_width="output_hidden",
    source="doi:10.1093/bib/bbaa266; github.com/yvquanli/TrimNet@147ca4d",
    space={
        "hidden": Choice(16, 32, 64),
        "depth": Whole(1, 3),
        "heads": Choice(2, 4, 8),
        "dropout": Real(0.0, 0.5),
        "output_hidden": Choice(128, 256, 512),
    },
    own_head=("output_hidden", "logits_per_task"),
)
