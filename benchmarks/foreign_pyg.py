"""Networks and layers of PyTorch Geometric, on a small random graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from foreign_cases import Case, Make, randn
from torch import Tensor, nn
from torch_geometric import nn as gnn

C, HIDDEN, NODES, EDGES = 6, 8, 12, 30


def graph() -> tuple[Tensor, Tensor]:
    """Node features, and edges of which every node receives some."""
    receiver = torch.cat([torch.arange(NODES), torch.randint(NODES, (EDGES - NODES,))])
    return randn(NODES, C), torch.stack([torch.randint(NODES, (EDGES,)), receiver])


def halves() -> Tensor:
    """Two graphs of the same size."""
    return torch.arange(2).repeat_interleave(NODES // 2)


class Stack(nn.Module):
    """Two layers of one kind with a non-linearity between them; `others` go to both."""

    def __init__(self, make: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.first, self.second = make(C, HIDDEN), make(HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, x: Tensor, edge_index: Tensor, *others: Tensor) -> Any:
        h = self.first(x, edge_index, *others).relu()
        return self.head(self.second(h, edge_index, *others))


def stack(make: Callable[[int, int], nn.Module], *others: Callable[[], Tensor]) -> Make:
    return lambda: Case(Stack(make), (*graph(), *(other() for other in others)))


def model(kind: Any, *arguments: Any, **options: Any) -> Make:
    return lambda: Case(kind(C, HIDDEN, *arguments, num_layers=2, out_channels=3, dropout=0.1, **options), graph())


def features() -> Tensor:
    return randn(EDGES, 4)


def kinds() -> Tensor:
    return torch.randint(3, (EDGES,))


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


def pna() -> Case:
    options = {"aggregators": ["mean", "max", "std"], "scalers": ["identity", "amplification"]}
    return Case(gnn.PNA(C, HIDDEN, 2, 3, deg=torch.tensor([0, 2, 5, 3, 2]), **options), graph())


def attentive_fp() -> Case:
    net = gnn.AttentiveFP(C, HIDDEN, 2, edge_dim=4, num_layers=2, num_timesteps=2, dropout=0.1)
    return Case(net, (*graph(), features(), halves()))


class Gps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(C, HIDDEN)
        self.layers = nn.ModuleList(gnn.GPSConv(HIDDEN, gnn.GINConv(mlp(HIDDEN, HIDDEN)), heads=2) for _ in range(2))
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Any:
        h = self.lift(x)
        for layer in self.layers:
            h = layer(h, edge_index, batch)
        return self.head(gnn.global_add_pool(h, batch))


class Everywhere(nn.Module):
    """All pairs of atoms of a molecule, in the place of a search for those within a radius."""

    def forward(self, pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        same = batch[:, None] == batch[None, :]
        row, col = (same & ~torch.eye(len(batch), dtype=torch.bool)).nonzero().t()
        return torch.stack([row, col]), (pos[row] - pos[col]).norm(dim=-1)


def schnet() -> Case:
    net = gnn.SchNet(HIDDEN, HIDDEN, 2, 10, interaction_graph=Everywhere())
    return Case(net, (torch.randint(1, 9, (NODES,)), randn(NODES, 3), halves()))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = gnn.GatedGraphConv(HIDDEN, 2), nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor, edge_index: Tensor) -> Any:
        return self.head(self.conv(x, edge_index))


class Readout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.read, self.head = gnn.GCNConv(C, HIDDEN), gnn.Set2Set(HIDDEN, 3), nn.Linear(2 * HIDDEN, 1)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Any:
        return self.head(self.read(self.conv(x, edge_index).relu(), batch))


class Mpnn(nn.Module):
    """NNConv and a GRU over its steps, as in Gilmer et al. 2017."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.conv = nn.Linear(C, HIDDEN), gnn.NNConv(HIDDEN, HIDDEN, mlp(4, HIDDEN * HIDDEN))
        self.gru, self.head = nn.GRU(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Any:
        h = self.lift(x).relu()
        state = h.unsqueeze(0)
        for _ in range(2):
            y, state = self.gru(self.conv(h, edge_index, edge_attr).relu().unsqueeze(0), state)
            h = y.squeeze(0)
        return self.head(h)


class Heterogeneous(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        convs = {("a", "to", "b"): gnn.SAGEConv(C, HIDDEN), ("b", "to", "a"): gnn.SAGEConv(C, HIDDEN)}
        self.conv, self.head = gnn.HeteroConv(convs), nn.Linear(HIDDEN, 1)

    def forward(self, xs: dict[str, Tensor], edges: dict[tuple[str, str, str], Tensor]) -> Any:
        return {kind: self.head(h.relu()) for kind, h in self.conv(xs, edges).items()}


def heterogeneous() -> Case:
    (a, edges), (b, back) = graph(), graph()
    return Case(Heterogeneous(), ({"a": a, "b": b}, {("a", "to", "b"): edges, ("b", "to", "a"): back}))


CASES: dict[str, Make] = {
    "GCN": model(gnn.GCN),
    "GraphSAGE": model(gnn.GraphSAGE),
    "GraphSAGE, JumpingKnowledge by LSTM": model(gnn.GraphSAGE, jk="lstm"),
    "GIN": model(gnn.GIN),
    "GAT": model(gnn.GAT, heads=2),
    "GAT v2": model(gnn.GAT, heads=2, v2=True),
    "EdgeCNN": model(gnn.EdgeCNN),
    "PNA": pna,
    "AttentiveFP": attentive_fp,
    "SchNet": schnet,
    "GraphUNet": lambda: Case(gnn.GraphUNet(C, HIDDEN, 3, depth=2), graph()),
    "GPSConv": lambda: Case(Gps(), (*graph(), halves())),
    "NNConv and GRU": lambda: Case(Mpnn(), (*graph(), features())),
    "GatedGraphConv": lambda: Case(Gated(), (randn(NODES, HIDDEN), graph()[1])),
    "Set2Set readout": lambda: Case(Readout(), (*graph(), halves())),
    "HeteroConv": heterogeneous,
    "ResGatedGraphConv": stack(gnn.ResGatedGraphConv),
    "TransformerConv": stack(gnn.TransformerConv),
    "GINEConv": stack(lambda a, b: gnn.GINEConv(mlp(a, b), edge_dim=4), features),
    "RGCNConv": stack(lambda a, b: gnn.RGCNConv(a, b, 3), kinds),
    "ChebConv": stack(lambda a, b: gnn.ChebConv(a, b, 2)),
    "TAGConv": stack(gnn.TAGConv),
    "ARMAConv": stack(gnn.ARMAConv),
    "GENConv": stack(gnn.GENConv),
    "FiLMConv": stack(gnn.FiLMConv),
    "SuperGATConv": stack(lambda a, b: gnn.SuperGATConv(a, b, edge_sample_ratio=1.0)),
    "LEConv": stack(gnn.LEConv),
    "GraphConv": stack(gnn.GraphConv),
    "GMMConv": stack(lambda a, b: gnn.GMMConv(a, b, 4, 2), features),
    "LINKX": lambda: Case(gnn.LINKX(NODES, C, HIDDEN, 2, 2), graph()),
}
