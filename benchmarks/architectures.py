"""An epoch of training of every further architecture against an independent implementation, on Tox21, one thread.

    python benchmarks/architectures.py [--repeats 7]

Peers: torch_geometric's own models, or its layers composed plainly, fed by its DataLoader; chemprop's D-MPNN, fed by
its own collation of cached graphs. Both have the sizes of our defaults and the same features. GIN has a script of its
own, gin.py; TrimNet's is training_epoch.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import count, islice, pairwise
from typing import Any, NamedTuple

from workload import BATCH, EPOCH, PART, Training, stores, timing  # isort: skip (sets the number of threads)
import numpy as np
import torch
from timing import Result, Skipped, in_turn, row_of
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.features.graphs import GRAPH
from pbgraph.graph import GraphStore
from pbgraph.models.base import MODELS, Architecture, Dims
from pbgraph.ops.loss import masked_cross_entropy

TARGET = 0.8
Batches = Callable[[], Iterable[tuple[Any, Tensor]]]  # a fresh, shuffled pass over the training rows: graphs, labels


class Head(nn.Module):
    """Linear layers with relu between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class PyGModel(nn.Module):
    """One of torch_geometric's node models, and the mean over nodes."""

    def __init__(self, model: nn.Module, *, edges: bool) -> None:
        super().__init__()
        self.model, self.edges = model, edges

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn.pool import global_mean_pool

        options = {"edge_attr": data.edge_attr} if self.edges else {}
        return global_mean_pool(self.model(data.x, data.edge_index, **options), data.batch, data.num_graphs)


class PyGGINE(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn import GINEConv

        super().__init__()
        hidden, self.dropout = config.hidden, config.dropout
        self.embedding = nn.Linear(dims.node, hidden)
        self.convs = nn.ModuleList()
        for _ in range(config.layers):
            parts = [part for _ in range(2) for part in (nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU())]
            self.convs.append(GINEConv(nn.Sequential(*parts), edge_dim=dims.edge))
        self.logits = nn.ModuleList(nn.Linear(hidden, dims.tasks) for _ in range(config.layers + 1))

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn.pool import global_add_pool

        nodes = [self.embedding(data.x)]
        for conv in self.convs:
            nodes.append(conv(nodes[-1], data.edge_index, data.edge_attr))
        votes = [
            F.dropout(linear(global_add_pool(x, data.batch, data.num_graphs)), self.dropout, self.training)
            for linear, x in zip(self.logits, nodes, strict=True)
        ]
        return torch.stack(votes).sum(0)


class PyGMPNN(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn import NNConv, Set2Set

        super().__init__()
        hidden, self.steps = config.hidden, config.steps
        self.embedding = nn.Linear(dims.node, hidden)
        network = nn.Sequential(
            nn.Linear(dims.edge, config.edge_hidden), nn.ReLU(), nn.Linear(config.edge_hidden, hidden**2)
        )
        self.conv = NNConv(hidden, hidden, network, aggr="add", root_weight=False, bias=False)
        self.gru = nn.GRU(hidden, hidden)
        self.set2set = Set2Set(hidden, processing_steps=config.set2set_steps)
        self.head = Head(2 * hidden, hidden, dims.tasks)

    def forward(self, data: Any) -> Tensor:
        x = F.relu(self.embedding(data.x))
        state = x.unsqueeze(0)
        for _ in range(self.steps):
            x, state = self.gru(self.conv(x, data.edge_index, data.edge_attr).unsqueeze(0), state)
            x = x.squeeze(0)
        return self.head(self.set2set(x, data.batch))


class PyGAttentiveFP(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn.models import AttentiveFP

        super().__init__()
        sizes = (dims.node, config.hidden, dims.tasks, dims.edge, config.layers, config.steps)
        self.model = AttentiveFP(*sizes, dropout=config.dropout)

    def forward(self, data: Any) -> Tensor:
        return self.model(data.x, data.edge_index, data.edge_attr, data.batch)


class PyGPNA(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn import BatchNorm, PNAConv

        super().__init__()
        hidden, self.dropout = config.hidden, config.dropout
        self.embedding = nn.Linear(dims.node, hidden)
        options = {"aggregators": ["mean", "min", "max", "std"], "edge_dim": dims.edge}
        scalers, degrees = ["identity", "amplification", "attenuation"], torch.tensor([1, 24, 46, 27, 3])
        self.convs = nn.ModuleList(
            PNAConv(hidden, hidden, scalers=scalers, deg=degrees, **options) for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(BatchNorm(hidden) for _ in range(config.layers))
        self.head = Head(hidden, -(-hidden // 2), -(-hidden // 4), dims.tasks)

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn.pool import global_mean_pool

        x = self.embedding(data.x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            updated = F.relu(norm(conv(x, data.edge_index, data.edge_attr)))
            x = x + F.dropout(updated, self.dropout, self.training)
        return self.head(global_mean_pool(x, data.batch, data.num_graphs))


class PyGGPS(nn.Module):
    """As in torch_geometric's example; walks are counted beforehand, by its transform."""

    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn import GINEConv, GPSConv

        super().__init__()
        channels = config.channels
        self.nodes = nn.Linear(dims.node, channels - config.walk_channels)
        self.walks = nn.Sequential(
            nn.BatchNorm1d(config.walk_steps), nn.Linear(config.walk_steps, config.walk_channels)
        )
        self.edges = nn.Linear(dims.edge, channels)
        self.convs = nn.ModuleList()
        for _ in range(config.layers):
            network = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
            attention = {"heads": config.heads, "attn_kwargs": {"dropout": config.attention_dropout}}
            self.convs.append(GPSConv(channels, GINEConv(network), dropout=config.dropout, **attention))
        self.head = Head(channels, -(-channels // 2), -(-channels // 4), dims.tasks)

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn.pool import global_add_pool

        x = torch.cat([self.nodes(data.x), self.walks(data.random_walk_pe)], dim=1)
        edges = self.edges(data.edge_attr)
        for conv in self.convs:
            x = conv(x, data.edge_index, data.batch, edge_attr=edges)
        return self.head(global_add_pool(x, data.batch, data.num_graphs))


class ChempropDMPNN(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from chemprop.nn import BinaryClassificationFFN, BondMessagePassing, MeanAggregation

        super().__init__()
        options = {"d_h": config.hidden, "depth": config.depth, "dropout": config.dropout}
        self.message_passing = BondMessagePassing(d_v=dims.node, d_e=dims.edge, **options)
        self.aggregation = MeanAggregation()
        self.predictor = BinaryClassificationFFN(
            n_tasks=dims.tasks, input_dim=config.hidden, hidden_dim=config.output_hidden, dropout=config.dropout
        )

    def forward(self, data: Any) -> Tensor:
        return self.predictor.ffn(self.aggregation(self.message_passing(data), data.batch))


def pyg_gcn(dims: Dims, config: Any) -> nn.Module:
    from torch_geometric.nn.models import GCN

    sizes = (dims.node, config.hidden, config.layers)
    return PyGModel(GCN(*sizes, out_channels=dims.tasks, dropout=config.dropout, jk="last"), edges=False)


def pyg_gat(dims: Dims, config: Any) -> nn.Module:
    from torch_geometric.nn.models import GAT

    options = {"v2": True, "heads": config.heads, "edge_dim": dims.edge, "act": "elu", "jk": "last"}
    sizes = (dims.node, config.hidden * config.heads, config.layers)
    return PyGModel(GAT(*sizes, out_channels=dims.tasks, dropout=config.dropout, **options), edges=True)


class Peer(NamedTuple):
    """An independent implementation: what to call it, and its network for the sizes of our config."""

    what: str
    build: Callable[[Dims, Any], nn.Module]


PEERS = {
    "gcn": Peer("torch_geometric.nn.GCN", pyg_gcn),
    "gat": Peer("torch_geometric.nn.GAT, v2 with edges", pyg_gat),
    "gine": Peer("torch_geometric's GINEConv", PyGGINE),
    "mpnn": Peer("torch_geometric's NNConv and Set2Set", PyGMPNN),
    "attentive-fp": Peer("torch_geometric.nn.AttentiveFP", PyGAttentiveFP),
    "d-mpnn": Peer("chemprop's D-MPNN", ChempropDMPNN),
    "pna": Peer("torch_geometric's PNAConv", PyGPNA),
    "gps": Peer("torch_geometric's GPSConv", PyGGPS),
}


def pyg_batches(store: GraphStore, walk_steps: int) -> Batches:
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.transforms import AddRandomWalkPE

    graphs = []
    for i in range(len(store)):
        one = store.batch(np.array([i]))
        data = Data(x=one.x, edge_index=one.edge_index, edge_attr=one.edge_attr, y=one.y)
        graphs.append(AddRandomWalkPE(walk_steps)(data) if walk_steps else data)
    loader = DataLoader(graphs, batch_size=BATCH, shuffle=True)
    return lambda: ((data, data.y) for data in loader)


def chemprop_batches(store: GraphStore) -> Batches:
    from chemprop.data import BatchMolGraph, MolGraph

    from pbgraph.ops.reverse import reverse_edges

    graphs = []
    for i in range(len(store)):
        one = store.batch(np.array([i]))
        arrays = (one.x.numpy(), one.edge_attr.numpy(), one.edge_index.numpy(), reverse_edges(one.edge_index).numpy())
        graphs.append((MolGraph(*arrays), one.y))

    def collate(part: list[tuple[MolGraph, Tensor]]) -> tuple[BatchMolGraph, Tensor]:
        return BatchMolGraph([graph for graph, _ in part]), torch.cat([y for _, y in part])

    loader: Any = torch.utils.data.DataLoader(graphs, batch_size=BATCH, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]
    return lambda: loader


class PeerTraining:
    """Steps of an independent implementation, as its users train it."""

    def __init__(self, model: nn.Module, batches: Batches) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        self.batches = (batch for _ in count() for batch in batches())

    def steps(self, number: int) -> None:
        for batch, y in islice(self.batches, number):
            self.optimizer.zero_grad()
            masked_cross_entropy(self.model(batch), y).backward()
            self.optimizer.step()


def row(name: str, repeats: int) -> Result:
    """Ours, its copy and the peer in turn."""
    what = f"{name} training epoch / {PEERS[name].what}"
    if name == "d-mpnn" and find_spec("chemprop") is None:
        return Skipped(what, "chemprop is not installed")
    store = stores(GRAPH)[0]
    architecture = MODELS.get(name)
    assert isinstance(architecture, Architecture)
    config = architecture.config()
    torch.manual_seed(0)
    model = PEERS[name].build(Dims(store.node_dim, store.edge_dim, store.y.shape[1]), config)
    batches = chemprop_batches(store) if name == "d-mpnn" else pyg_batches(store, getattr(config, "walk_steps", 0))
    ours, copy = (Training.of(architecture, config, featuriser=GRAPH) for _ in range(2))
    sides: dict[str, Training | PeerTraining] = {"ours": ours, "peer": PeerTraining(model, batches), "copy": copy}
    times = in_turn({side: partial(training.steps, PART) for side, training in sides.items()}, repeats)
    sizes = [f"{sum(p.numel() for p in sides[side].model.parameters()):,}" for side in ("ours", "peer")]
    note = f"{' and '.join(sizes)} parameters"
    return row_of(what, times, "ours", "peer", target=TARGET, scale=EPOCH / PART, note=note)


def measure(repeats: int) -> Sequence[Result]:
    return [row(name, repeats) for name in PEERS]


if __name__ == "__main__":
    timing.main(measure, __doc__)
