"""Random small molecules: connected graphs with few kinds of atoms and bonds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from pbgraph.graph import GraphBatch, GraphStore, MolGraph
from pbgraph.models.base import Dims

DIMS = Dims(node=6, edge=3, tasks=2)


def molecule(nodes: int, rng: np.random.Generator) -> MolGraph:
    """A random tree with two more bonds, if there is room; every bond in both directions."""
    bonds = {(int(rng.integers(i)), i) for i in range(1, nodes)}
    bonds |= {(min(a, b), max(a, b)) for a, b in rng.integers(nodes, size=(2, 2)).tolist() if a != b}
    pairs = np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2).T
    attributes = np.eye(DIMS.edge, dtype=np.float32)[rng.integers(DIMS.edge, size=pairs.shape[1])]
    return MolGraph(
        x=np.eye(DIMS.node, dtype=np.float32)[rng.integers(DIMS.node, size=nodes)],
        edge_index=np.concatenate([pairs, pairs[::-1]], axis=1),
        edge_attr=np.concatenate([attributes, attributes]),
    )


def molecules(sizes: list[int], seed: int = 0) -> list[MolGraph]:
    rng = np.random.default_rng(seed)
    return [molecule(size, rng) for size in sizes]


def as_batch(graphs: list[MolGraph], y: np.ndarray | None = None) -> GraphBatch:
    y = np.zeros((len(graphs), DIMS.tasks), dtype=np.float32) if y is None else y
    return GraphStore.from_graphs(graphs, y).as_batch()


def as_double(batch: GraphBatch) -> GraphBatch:
    return replace(batch, x=batch.x.double(), edge_table=batch.edge_table.double())


def empty_batch(num_graphs: int) -> GraphBatch:
    """Graphs without a single node."""
    return GraphBatch.from_dense(
        torch.zeros(0, DIMS.node),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(0, DIMS.edge),
        batch=torch.zeros(0, dtype=torch.int64),
        num_graphs=num_graphs,
    )
