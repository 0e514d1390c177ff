"""One molecular graph, as a featuriser makes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class MolGraph:
    """One molecular graph of n nodes and e directed edges.

    x           (n, node_dim) float32
    edge_index  (2, e) int; row 0 sender, row 1 receiver
    edge_attr   (e, edge_dim) float32

    >>> from pbgraph.graph import GraphStore
    >>> bond = MolGraph(np.eye(2), np.array([[0, 1], [1, 0]]), np.ones((2, 3)))
    >>> GraphStore.from_graphs([bond, bond], np.zeros((2, 12))).batch(np.array([0, 1])).edge_index.tolist()
    [[1, 0, 3, 2], [0, 1, 2, 3]]
    """

    x: np.ndarray
    edge_index: np.ndarray
    edge_attr: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.edge_attr.ndim != 2 or self.edge_index.shape != (2, len(self.edge_attr)):
            raise ValueError(
                f"x {self.x.shape}, edge_index {self.edge_index.shape} and edge_attr {self.edge_attr.shape} "
                "must be (n, node_dim), (2, e) and (e, edge_dim)"
            )
        if self.edge_index.size and not 0 <= self.edge_index.min() <= self.edge_index.max() < len(self.x):
            raise ValueError(f"edge_index names nodes outside 0 .. {len(self.x) - 1}")
