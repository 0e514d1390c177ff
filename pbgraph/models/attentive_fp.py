"""AttentiveFP: attention between atoms, then between a molecule and its atoms (Xiong et al. 2020).

    x     = leaky_relu(W₀ x + b₀)
    x     = relu(GRU(dropout(elu(GatedAttention(x, edges))), x))        the first layer alone sees edge features
    x     = relu(GRU(dropout(elu(Attention(x, edges))), x))             layers - 1 times, each with its own weights
    g     = relu(Σ_i x_i)                                               one vector per graph
    g     = relu(GRU(dropout(elu(Attention(x to g))), g))               steps times, with shared weights
    logits = V dropout(g) + c

Letters: N nodes, E edges, G graphs, T tasks, C channels. leaky_relu has slope 0.01 for negative values. In training
dropout also falls on attention weights.

Source: doi:10.1021/acs.jmedchem.9b00959. Deviation from the paper, as in torch_geometric's AttentiveFP, which this
network is: attention weights see W x where the paper has x. What is summed is multiplied by W afterwards, once per
receiver: W Σ_j α_ij x_j = Σ_j α_ij W x_j.

``head="packed"`` puts the head of `pbgraph.models.head`, on g, in the place of the last equation.
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
from pbgraph.ops.edges import Edges, edge_softmax, weighted_sum
from pbgraph.ops.recurrent import gru_cell
from pbgraph.ops.segment import segment_sum, spread
from pbgraph.spaces import Choice, Real, Whole


@dataclass(frozen=True)
class AttentiveFPConfig(HeadConfig):
    """Hyper-parameters of AttentiveFP; the defaults are those of torch_geometric's example (examples/attentive_fp.py).

    hidden   C, channels of nodes and graphs
    layers   of attention among atoms
    steps    of attention between a molecule and its atoms, with shared weights
    dropout  probability, after each attention, on its weights, and before the last layer
    """

    hidden: int = 200
    layers: int = 2
    steps: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "hidden", "layers", "steps")
        check_probabilities(self, "dropout")


class GatedAttention(nn.Module):
    """y_i = W Σ_j α_ij x_j + b, whose weights see the edge::

    u_ij = leaky_relu(U [x_j ‖ e_ij]);  α_ij = softmax over j of leaky_relu(a · u_ij + r · x_i)
    """

    def __init__(self, hidden: int, edge_dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.edge = nn.Linear(hidden + edge_dim, hidden, bias=False)  # U
        self.sender = nn.Parameter(torch.empty(hidden))  # a
        self.receiver = nn.Parameter(torch.empty(hidden))  # r
        self.output = nn.Linear(hidden, hidden, bias=False)  # W
        self.bias = nn.Parameter(torch.empty(hidden))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: uniform (Glorot & Bengio 2010), the bias 0."""
        _glorot(self.sender, self.receiver, self.edge.weight, self.output.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> (N, C)."""
        sender, receiver = batch.edge_index
        nodes, edges = self.edge.weight[:, : x.shape[1]], self.edge.weight[:, x.shape[1] :]
        kinds = spread(batch.edge_table @ edges.t(), batch.edge_type)
        u = F.leaky_relu(spread(x @ nodes.t(), sender) + kinds)  # E x C
        logits = F.leaky_relu(u @ self.sender + spread(x @ self.receiver, receiver, batch.receiver_ptr))  # E
        return _attend(logits, x, Edges.of(batch), layer=self) @ self.output.weight.t() + self.bias


class Attention(nn.Module):
    """y_i = W Σ_j α_ij x_j + b with α_ij = softmax over j of leaky_relu(a · W x_j + r · W z_i); z the receivers."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.output = nn.Linear(hidden, hidden, bias=False)  # W
        self.sender = nn.Parameter(torch.empty(hidden))  # a
        self.receiver = nn.Parameter(torch.empty(hidden))  # r
        self.bias = nn.Parameter(torch.empty(hidden))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: uniform (Glorot & Bengio 2010), the bias 0."""
        _glorot(self.sender, self.receiver, self.output.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, z: Tensor, edges: Edges) -> Tensor:
        """Features of senders (M, C) and receivers (N, C) -> (N, C)."""
        weight = self.output.weight
        logits = (x @ (self.sender @ weight))[edges.sender] + (z @ (self.receiver @ weight))[edges.receiver]
        return _attend(F.leaky_relu(logits), x, edges, layer=self) @ weight.t() + self.bias


def _attend(logits: Tensor, x: Tensor, edges: Edges, *, layer: GatedAttention | Attention) -> Tensor:
    """Σ_j α_ij x_j (N, C) of logits (E,) and senders (M, C)."""
    alpha = dropout(edge_softmax(logits.unsqueeze(1), edges), layer.dropout, layer.training)  # E x 1
    return weighted_sum(alpha, x.unsqueeze(1), edges).squeeze(1)


def _glorot(*weights: Tensor) -> None:
    for weight in weights:
        nn.init.xavier_uniform_(weight if weight.dim() > 1 else weight.unsqueeze(0))


class GRU(nn.Module):
    """GRU cell (Cho et al. 2014, arXiv:1406.1078); the state is an ordinary input, since relu stands between steps."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(hidden, hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.cell.reset_parameters()

    def forward(self, message: Tensor, h: Tensor) -> Tensor:
        """Message (n, C) and state (n, C) -> next state (n, C)."""
        return gru_cell(self.cell, message, h)


class AttentiveFPNetwork(EncoderAndHead):
    """The network of the module's equations: GraphBatch -> logits (G, T)."""

    def __init__(self, dims: Dims, config: AttentiveFPConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.embedding = nn.Linear(dims.node, hidden)
        later = [Attention(hidden, config.dropout) for _ in range(config.layers - 1)]
        self.convs = nn.ModuleList([GatedAttention(hidden, dims.edge, config.dropout), *later])
        self.grus = nn.ModuleList(GRU(hidden) for _ in range(config.layers))
        self.readout_conv = Attention(hidden, config.dropout)
        self.readout_gru = GRU(hidden)
        if self.packs_head("attentive-fp", hidden, dims):
            return
        self.logits = nn.Linear(hidden, dims.tasks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """g, one vector per graph, (G, C)."""
        x = F.leaky_relu(self.embedding(batch.x))  # N x C
        x = self._updated(self.convs[0](x, batch), x, self.grus[0])
        for conv, gru in zip(list(self.convs)[1:], list(self.grus)[1:], strict=True):
            x = self._updated(conv(x, x, Edges.of(batch)), x, gru)
        graphs = F.relu(segment_sum(x, batch.batch, batch.num_graphs, batch.node_ptr))  # G x C
        for _ in range(self.config.steps):
            context = self.readout_conv(x, graphs, Edges.to_graphs(batch))
            graphs = self._updated(context, graphs, self.readout_gru)
        return graphs

    def own_logits(self, batch: GraphBatch) -> Tensor:
        """Logits (G, T)."""
        vectors = self.encode(batch)
        logits: Tensor = self.logits(self._dropout(vectors))
        return logits

    def _updated(self, context: Tensor, state: Tensor, gru: nn.Module) -> Tensor:
        return F.relu(gru(self._dropout(F.elu(context)), state))

    def _dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.dropout, self.training)


ATTENTIVE_FP = Architecture(
    name="attentive-fp",
    version=2,
    config=AttentiveFPConfig,
    build=AttentiveFPNetwork,
    dendrite_sites=("embedding", "convs.*", "grus.*", "readout_conv", "readout_gru", "logits", *HEAD_SITES),
    width="hidden",
    source="doi:10.1021/acs.jmedchem.9b00959; torch_geometric.nn.models.AttentiveFP",
    space={
        "hidden": Choice(64, 128, 200),
        "layers": Whole(1, 3),
        "steps": Whole(1, 3),
        "dropout": Real(0.0, 0.5),
    },
)
