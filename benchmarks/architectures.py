"""Seconds per training epoch of each architecture, against an independent implementation, on Tox21.

    python benchmarks/architectures.py [--models gcn gat ...] [--repeats 3] [--data FOLDER]

Peers: torch_geometric's own models, or its layers composed plainly, fed by its DataLoader; chemprop's D-MPNN, fed by
its own collation of cached graphs. Both have the same sizes. Training rows of the random split with seed 0, batches of
128, AdamW, masked cross-entropy, one thread. Ours, an identical copy of ours and the peer take turns in one process;
medians of CPU seconds, which other processes disturb less than elapsed ones. "control" is the copy's time as a
share of ours: what differs from 1 there is noise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.datasets.load import load
from pbgraph.datasets.tox21 import TOX21
from pbgraph.features.cache import featurised
from pbgraph.features.graphs import GRAPH
from pbgraph.graph import GraphStore
from pbgraph.models.base import MODELS, Architecture, Dims
from pbgraph.ops.loss import masked_cross_entropy
from pbgraph.splits import SPLITS

BATCH = 128
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


class PyGGIN(nn.Module):
    def __init__(self, dims: Dims, config: Any) -> None:
        from torch_geometric.nn import GINConv
        from torch_geometric.nn.models import MLP

        super().__init__()
        self.dropout = config.dropout
        widths = [dims.node] + [config.hidden] * config.layers
        self.convs = nn.ModuleList(
            GINConv(MLP([n, config.hidden, config.hidden], norm="batch_norm", plain_last=False)) for n in widths[:-1]
        )
        self.logits = nn.ModuleList(nn.Linear(n, dims.tasks) for n in widths)

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn.pool import global_add_pool

        nodes = [data.x]
        for conv in self.convs:
            nodes.append(conv(nodes[-1], data.edge_index))
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


PEERS: dict[str, Callable[[Dims, Any], nn.Module]] = {
    "attentive-fp": PyGAttentiveFP,
    "d-mpnn": ChempropDMPNN,
    "gat": pyg_gat,
    "gcn": pyg_gcn,
    "gin": PyGGIN,
    "gine": PyGGINE,
    "gps": PyGGPS,
    "mpnn": PyGMPNN,
    "pna": PyGPNA,
}


def our_batches(store: GraphStore) -> Batches:
    rng = np.random.default_rng(0)

    def batches() -> Iterable[tuple[Any, Tensor]]:
        order = rng.permutation(len(store))
        for i in range(0, len(store), BATCH):
            batch = store.batch(order[i : i + BATCH])
            yield batch, batch.y

    return batches


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

    from pbgraph.models.d_mpnn import reverse_edges

    graphs = []
    for i in range(len(store)):
        one = store.batch(np.array([i]))
        arrays = (one.x.numpy(), one.edge_attr.numpy(), one.edge_index.numpy(), reverse_edges(one.edge_index).numpy())
        graphs.append((MolGraph(*arrays), one.y))

    def collate(part: list[tuple[MolGraph, Tensor]]) -> tuple[BatchMolGraph, Tensor]:
        return BatchMolGraph([graph for graph, _ in part]), torch.cat([y for _, y in part])

    loader = torch.utils.data.DataLoader(graphs, batch_size=BATCH, shuffle=True, collate_fn=collate)
    return lambda: loader


def epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches, limit: int) -> float:
    """CPU seconds for one pass, or its first `limit` batches."""
    model.train()
    start = time.process_time()
    for i, (batch, y) in enumerate(batches()):
        if i == limit:
            break
        optimizer.zero_grad()
        masked_cross_entropy(model(batch), y).backward()
        optimizer.step()
    return time.process_time() - start


def measure(name: str, store: GraphStore, repeats: int, limit: int) -> dict[str, Any]:
    """Median seconds of ours, its copy and the peer."""
    architecture = MODELS.get(name)
    assert isinstance(architecture, Architecture)
    dims, config = Dims(store.node_dim, store.edge_dim, store.y.shape[1]), architecture.config()
    peer = chemprop_batches(store) if name == "d-mpnn" else pyg_batches(store, getattr(config, "walk_steps", 0))
    models = {"ours": architecture.build(dims, config), "copy": architecture.build(dims, config)}
    models["peer"] = PEERS[name](dims, config)
    batches = {"ours": our_batches(store), "copy": our_batches(store), "peer": peer}
    optimizers = {who: torch.optim.AdamW(model.parameters(), fused=True) for who, model in models.items()}
    times: dict[str, list[float]] = {who: [] for who in models}
    for repeat in range(-1, repeats):
        for who, model in models.items():
            seconds = epoch(model, optimizers[who], batches[who], limit if repeat >= 0 else 3)
            if repeat >= 0:
                times[who].append(seconds)
    sizes = {who: sum(p.numel() for p in models[who].parameters()) for who in ("ours", "peer")}
    return {"model": name, "parameters": sizes, "seconds": {who: statistics.median(t) for who, t in times.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(PEERS), default=sorted(PEERS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, default=10**9, help="use only so many batches of each epoch")
    parser.add_argument("--data", type=Path, default=None, help="folder of data sets, as for the command line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    molecules = load(TOX21, folder=arguments.data, offline=True)
    store = featurised(GRAPH, molecules).select(SPLITS.get("random").split(molecules, 0).train)
    print("| model | ours / peer | control | ours, s | peer, s | parameters, ours / peer |")
    print("|---|---:|---:|---:|---:|---:|")
    results = []
    for name in arguments.models:
        if name == "d-mpnn" and not _installed("chemprop"):
            print("d-mpnn was not measured: its peer, chemprop, is not installed", file=sys.stderr)
            continue
        torch.manual_seed(0)
        results.append(result := measure(name, store, arguments.repeats, arguments.batches))
        s, sizes = result["seconds"], result["parameters"]
        row = f"{s['ours'] / s['peer']:.2f} | {s['copy'] / s['ours']:.2f} | {s['ours']:.2f} | {s['peer']:.2f}"
        print(f"| {name} | {row} | {sizes['ours']:,} / {sizes['peer']:,} |", flush=True)
    print(json.dumps({"repeats": arguments.repeats, "batches": arguments.batches, "results": results}))


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


if __name__ == "__main__":
    main()
