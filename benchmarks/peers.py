"""Peers: the same networks in the plainest PyTorch Geometric form, and the training scripts around them.

`AuthorsTrimNet` is the network of pbgraph.models.trimnet's equations as its paper writes them: the attention logit of
a concatenated triplet for every edge, projected edge features for every edge, PyG's softmax, GRUCell and Set2Set. Its
parameters are those of our network, so both can be given the same weights and must then give the same logits. The
loop is that of the TrimNet authors: PyG's DataLoader, one loss per task over the measured labels, the scores of the
training rows collected on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GIN as PyGGIN
from torch_geometric.nn import GINConv, MessagePassing, Set2Set, global_add_pool
from torch_geometric.utils import softmax

from pbgraph.graph import GraphStore


def pyg_data(store: GraphStore) -> list[Data]:
    """One `Data` per molecule, as a PyG data set holds them."""
    graphs = (store.batch(np.array([number])) for number in range(len(store)))
    return [Data(x=g.x, edge_index=g.edge_index, edge_attr=g.edge_attr, y=g.y) for g in graphs]


class TripletMessage(MessagePassing):  # type: ignore[misc]
    """y_i = W_s (‖_heads Σ_j α_ij · e_ij ⊙ v_j) + bias, with l_ij = leaky_relu(a · [v_i ‖ e_ij ‖ v_j])."""

    def __init__(self, hidden: int, edge_dim: int, heads: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.heads = heads
        self.weight_node = nn.Parameter(torch.empty(hidden, heads * hidden))
        self.weight_edge = nn.Parameter(torch.empty(edge_dim, heads * hidden))
        self.weight_triplet_att = nn.Parameter(torch.empty(1, heads, 3 * hidden))
        self.weight_scale = nn.Parameter(torch.empty(heads * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(hidden))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        nodes = (x @ self.weight_node).unflatten(1, (self.heads, -1))  # N x H x C
        edges = (edge_attr @ self.weight_edge).unflatten(1, (self.heads, -1))  # E x H x C
        messages = self.propagate(edge_index, x=nodes, edge_attr=edges)
        return messages.flatten(1) @ self.weight_scale + self.bias

    def message(self, x_i: Tensor, x_j: Tensor, edge_attr: Tensor, index: Tensor, size_i: int) -> Tensor:
        triplet = torch.cat([x_i, edge_attr, x_j], dim=-1)  # E x H x 3C
        logits = F.leaky_relu((triplet * self.weight_triplet_att).sum(-1), 0.2)  # E x H
        alpha = softmax(logits, index, num_nodes=size_i)
        return alpha.unsqueeze(-1) * edge_attr * x_j


class GRUNorm(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)


class AuthorsBlock(nn.Module):
    def __init__(self, hidden: int, edge_dim: int, heads: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.conv = TripletMessage(hidden, edge_dim, heads)
        self.gru = GRUNorm(hidden)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        h = x
        for _ in range(self.steps):
            message = F.celu(self.conv(x, edge_index, edge_attr))
            h = self.gru.cell(message, h)
            x = self.gru.norm(h)
        return x


class AuthorsTrimNet(nn.Module):
    """Batch -> logits (G, 2T), two per task."""

    def __init__(self, node_dim: int, edge_dim: int, tasks: int) -> None:
        super().__init__()
        hidden, depth, heads, output_hidden, steps = 32, 3, 4, 512, 3
        self.lin0 = nn.Linear(node_dim, hidden)
        self.blocks = nn.ModuleList(AuthorsBlock(hidden, edge_dim, heads, steps) for _ in range(depth))
        self.set2set = Set2Set(hidden, processing_steps=3)
        self.hidden = nn.Sequential(nn.Linear(2 * hidden, output_hidden), nn.LayerNorm(output_hidden))
        self.logits = nn.Linear(output_hidden, 2 * tasks)

    def forward(self, data: Batch) -> Tensor:
        x = F.celu(self.lin0(data.x))
        for block in self.blocks:
            x = x + F.dropout(block(x, data.edge_index, data.edge_attr), 0.2, self.training)
        hidden = F.relu(self.hidden(self.set2set(x, data.batch)))
        logits: Tensor = self.logits(F.dropout(hidden, 0.2, self.training))
        return logits

    def scores(self, data: Batch) -> Tensor:
        """Logits (G, T), one per task: that of class 1 minus that of class 0."""
        logits = self(data)
        return logits[:, 1::2] - logits[:, 0::2]

    def load_ours(self, ours: nn.Module) -> None:
        """Take over the weights of pbgraph's TrimNet; raises RuntimeError if a parameter is missing or left over."""
        renamed = {"hidden.linear": "hidden.0", "hidden.norm": "hidden.1"}
        state = {}
        for name, value in ours.state_dict().items():
            for old, new in renamed.items():
                name = name.replace(old, new)
            if name.startswith("set2set.lstm"):
                name += "_l0"
            state[name] = value
        self.load_state_dict(state)


class PaperGIN(nn.Module):
    """The equations of pbgraph.models.gin in PyG's layers: the sum over depths of a linear vote on each readout."""

    def __init__(self, node_dim: int, tasks: int, hidden: int = 64, layers: int = 5) -> None:
        super().__init__()
        widths = [node_dim] + [hidden] * layers
        self.layers = nn.ModuleList(GINConv(_mlp(width, hidden)) for width in widths[:-1])
        self.logits = nn.ModuleList(nn.Linear(width, tasks) for width in widths)

    def forward(self, data: Batch) -> Tensor:
        x, votes = data.x, []
        for depth, linear in enumerate(self.logits):
            votes.append(F.dropout(linear(global_add_pool(x, data.batch)), 0.5, self.training))
            if depth < len(self.layers):
                x = self.layers[depth](x, data.edge_index)
        return sum(votes)  # type: ignore[return-value]

    scores = forward

    def load_ours(self, ours: nn.Module) -> None:
        """Take over the weights of pbgraph's GIN."""
        theirs = self.state_dict()
        values = ours.state_dict()
        by_place = [value for name, value in values.items() if not name.endswith("eps")]
        names = [name for name in theirs if not name.endswith("eps")]
        self.load_state_dict(theirs | dict(zip(names, by_place, strict=True)))


def _mlp(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
    )


class LibraryGIN(nn.Module):
    """`torch_geometric.nn.GIN` with batch normalisation, one sum readout and one linear layer."""

    def __init__(self, node_dim: int, tasks: int, hidden: int = 64, layers: int = 5) -> None:
        super().__init__()
        self.gin = PyGGIN(node_dim, hidden, layers, norm="batch_norm")
        self.logits = nn.Linear(hidden, tasks)

    def forward(self, data: Batch) -> Tensor:
        x = self.gin(data.x, data.edge_index)
        logits: Tensor = self.logits(F.dropout(global_add_pool(x, data.batch), 0.5, self.training))
        return logits

    scores = forward


def per_task_loss(logits: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Sum over tasks of the cross-entropy of two logits each, in a loop over tasks, and the scores of class 1."""
    loss, scores = logits.new_zeros(()), []
    for task in range(y.shape[1]):
        pair, labels = logits[:, 2 * task : 2 * task + 2], y[:, task]
        known = np.where(np.isin(labels.cpu().numpy(), (0, 1)))[0]
        if len(known):
            loss = loss + F.cross_entropy(pair[known], labels[known].long())
            scores.append(F.softmax(pair[known].detach(), dim=-1)[:, 1].cpu())
    return loss, scores


def masked_loss(logits: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Mean binary cross-entropy over the measured labels."""
    known = ~torch.isnan(y)
    return F.binary_cross_entropy_with_logits(logits[known], y[known]), []


class PeerTraining:
    """A PyG training script, a few batches at a time."""

    def __init__(self, model: nn.Module, train: list[Data], *, batch_size: int) -> None:
        self.model, self.batch_size = model, batch_size
        self.loss = per_task_loss if isinstance(model, AuthorsTrimNet) else masked_loss
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        self._batches = _endless(DataLoader(train, batch_size=batch_size, shuffle=True, drop_last=True))

    def steps(self, count: int) -> None:
        """Train on the next batches."""
        self.model.train()
        for batch in islice(self._batches, count):
            self.optimizer.zero_grad()
            loss, _ = self.loss(self.model(batch), batch.y)
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def evaluate(self, data: list[Data]) -> None:
        """Scores of all molecules."""
        self.model.eval()
        for batch in DataLoader(data, batch_size=self.batch_size):
            self.model.scores(batch)  # type: ignore[operator]


def _endless(loader: DataLoader) -> Iterator[Batch]:
    while True:
        yield from loader


@torch.no_grad()
def check_same_function(ours: nn.Module, peer: nn.Module, store: GraphStore) -> None:
    """Give the peer our weights; raises AssertionError unless both then give the same logits."""
    peer.load_ours(ours)  # type: ignore[operator]
    ours.eval()
    peer.eval()
    numbers = np.arange(64)
    expected = ours(store.batch(numbers))
    scores = peer.scores(Batch.from_data_list(pyg_data(store.select(numbers))))  # type: ignore[operator]
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
