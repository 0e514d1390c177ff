"""Layers that several papers share: batch normalisation, alone and after a linear layer; inputs of edges; a readout.

Letters: N nodes, E edges, G graphs, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.graph import GraphBatch
from pbgraph.models.base import Dims
from pbgraph.ops.dropout import dropout
from pbgraph.ops.pooling import graph_attention
from pbgraph.ops.segment import spread


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) that also takes batches of 0 or 1 rows."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, C) -> (n, C)."""
        if self.training and len(x) < 2:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class LinearNorm(nn.Sequential):
    """BN(W x + b)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, outputs), BatchNorm(outputs))

    def reset_parameters(self) -> None:
        """Draw new weights."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]


class ResidualNorm(nn.Module):
    """(h, x) -> BN(x + dropout(W h + b))."""

    def __init__(self, inputs: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Linear(inputs, outputs)
        self.norm = BatchNorm(outputs)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.linear.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        """(N, inputs) and (N, outputs) -> (N, outputs)."""
        normalised: Tensor = self.norm(x + dropout(self.linear(h), self.dropout, self.training))
        return normalised


class EdgeInput(nn.Module):
    """h_uv = W [x_u ‖ e_uv]."""

    def __init__(self, dims: Dims, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dims.node + dims.edge, hidden, bias=False)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.linear.reset_parameters()

    def forward(self, batch: GraphBatch) -> Tensor:
        """Features of senders and edges -> (E, C)."""
        node, edge = self.linear.weight[:, : batch.x.shape[1]], self.linear.weight[:, batch.x.shape[1] :]
        senders = spread(batch.x @ node.t(), batch.edge_index[0])
        return senders.add_(spread(batch.edge_table @ edge.t(), batch.edge_type))


class Set2Set(nn.Module):
    """Readout by attention; q* starts at 0, then `steps` times::

        q  = LSTM(q*)
        a  = softmax of q · x_i over the nodes i of a graph
        q* = [q ‖ Σ_i a_i x_i]

    Source: Vinyals et al. 2016, arXiv:1511.06391.
    """

    def __init__(self, hidden: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.lstm = nn.LSTMCell(2 * hidden, hidden)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.lstm.reset_parameters()

    def forward(self, x: Tensor, batch: GraphBatch) -> Tensor:
        """Node features (N, C) -> graph features (G, 2C); a graph without nodes attends to nothing."""
        query = x.new_zeros(batch.num_graphs, 2 * x.shape[1])
        state = None
        for _ in range(self.steps):
            state = self.lstm(query, state)
            query = torch.cat([state[0], graph_attention(state[0], x, batch)], dim=1)
        return query
