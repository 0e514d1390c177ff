"""A small learnable task and a small network, for tests of training methods."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from pbgraph.errors import Interrupted
from pbgraph.graph import GraphStore, MolGraph
from pbgraph.methods.base import FitJob
from pbgraph.metrics import RMSE, ROC_AUC, mean_over_tasks
from pbgraph.models.base import Architecture


@dataclass(frozen=True)
class TinyConfig:
    hidden: int = 6
    dropout: float = 0.2


class TinyNet(nn.Module):
    """Two linear layers with one round of message passing between them."""

    def __init__(self, dims, config):
        super().__init__()
        self.encode = nn.Linear(dims.node, config.hidden)
        self.decode = nn.Linear(config.hidden, dims.tasks)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, graphs):
        h = torch.tanh(self.encode(graphs.x))
        sender, receiver = graphs.edge_index
        h = h + torch.zeros_like(h).index_add(0, receiver, h[sender])
        pooled = h.new_zeros(graphs.num_graphs, h.shape[1]).index_add(0, graphs.batch, self.dropout(h))
        return self.decode(pooled)


TINY = Architecture(
    name="tiny",
    version=1,
    config=TinyConfig,
    build=TinyNet,
    dendrite_sites=("encode", "decode"),
    width="hidden",
    source="none",
)


class Stop:
    """A report that interrupts at its n-th call."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, report):
        self.left -= 1
        if self.left == 0:
            raise Interrupted("stop")


def tiny_store(count, seed):
    """Random path graphs of 1 to 6 nodes; two tasks with blanks that depend on the nodes."""
    random = np.random.default_rng(seed)
    graphs, y = [], np.empty((count, 2), np.float32)
    for row in range(count):
        n = int(random.integers(1, 7))
        x = random.integers(0, 3, (n, 4)).astype(np.float32)
        path = np.stack([np.arange(n - 1), np.arange(1, n)])
        graphs.append(MolGraph(x, np.concatenate([path, path[::-1]], axis=1), np.ones((2 * (n - 1), 1), np.float32)))
        signal = x[:, 0] * x[:, 1] - x[:, 2]
        y[row] = signal.sum() > 0, signal.max() + random.normal() > 1
    y[random.random(y.shape) < 0.15] = np.nan
    return GraphStore.from_graphs(graphs, y)


def tiny_task(settings, **changes):
    """A FitJob of 200 training and 80 validation graphs."""
    job = FitJob(
        model=TINY,
        config=TinyConfig(),
        settings=settings,
        train=tiny_store(200, 0),
        valid=tiny_store(80, 1),
        seed=68,
        metric=lambda y, scores: mean_over_tasks(ROC_AUC, y, scores),
    )
    return replace(job, **changes)


def tiny_regression(settings, **changes):
    """The same graphs with numbers for targets, far from mean 0 and standard deviation 1, and some cells blank."""
    job = tiny_task(
        settings,
        kind="regression",
        metric=lambda y, scores: -mean_over_tasks(RMSE, y, scores),
        train=with_numbers(tiny_store(200, 0)),
        valid=with_numbers(tiny_store(80, 1)),
    )
    return replace(job, **changes)


def with_numbers(store):
    """Targets of two tasks: sums over the nodes, in units of their own."""
    sums = np.array([store.select(np.array([row])).as_batch().x.sum(0).numpy() for row in range(len(store))])
    y = np.stack([1000 + 40 * sums[:, 0], 0.01 * sums[:, 1]], axis=1).astype(np.float32)
    y[np.isnan(store.y)] = np.nan
    return replace(store, y=y)
