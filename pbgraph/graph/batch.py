"""What networks compute on: several graphs as one, whose edges are sorted by receiver."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class GraphBatch:
    """G graphs as one disconnected graph of N nodes and E directed edges, sorted by receiver.

    x             (N, node_dim) float
    edge_index    (2, E) int64; row 0 sender, row 1 receiver, non-decreasing
    edge_type     (E,) int64, row of `edge_table`
    edge_table    (B, edge_dim) float, the distinct edge feature vectors
    batch         (N,) int64, the graph of each node, non-decreasing
    num_graphs    G; stored, never inferred: a graph may have no node
    y             (G, T) float32, NaN = not measured
    receiver_ptr  (N + 1,) int64; node i receives edges receiver_ptr[i] : receiver_ptr[i + 1]
    node_ptr      (G + 1,) int64; graph g owns nodes node_ptr[g] : node_ptr[g + 1]
    graph_attr    (G, graph_dim) float32, features of whole molecules; None where there are none
    """

    x: Tensor
    edge_index: Tensor
    edge_type: Tensor
    edge_table: Tensor
    batch: Tensor
    num_graphs: int
    y: Tensor
    receiver_ptr: Tensor
    node_ptr: Tensor
    graph_attr: Tensor | None = None

    @property
    def edge_attr(self) -> Tensor:
        """(E, edge_dim) float: the feature vector of every edge."""
        return self.edge_table[self.edge_type]

    @classmethod
    def from_dense(
        cls,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        *,
        batch: Tensor,
        num_graphs: int,
        y: Tensor | None = None,
        graph_attr: Tensor | None = None,
    ) -> GraphBatch:
        """A batch from plain tensors; edges are sorted by receiver, equal receivers keep their order.

        x (N, node_dim) and edge_attr (E, edge_dim) of any float type, which is kept; edge_index (2, E) in any
        order; batch (N,) non-decreasing; y (G, T), or None for a batch without labels, (G, 0); graph_attr (G, D) or
        None. Raises ValueError if shapes or numbers of nodes and graphs do not fit together.
        """
        _check(x, edge_index, edge_attr, batch=batch, num_graphs=num_graphs)
        for name, rows in (("graph_attr", graph_attr), ("y", y)):
            if rows is not None and (rows.ndim != 2 or len(rows) != num_graphs):
                raise ValueError(f"{name} is {tuple(rows.shape)}, expected ({num_graphs}, .)")
        order = torch.argsort(edge_index[1], stable=True)
        table, kind = edge_attr[:1], torch.zeros_like(order)  # of edges without features, and of none
        if edge_attr.numel():
            table, kind = torch.unique(edge_attr[order], dim=0, return_inverse=True)
        return cls(
            x=x,
            edge_index=edge_index[:, order],
            edge_type=kind,
            edge_table=table,
            batch=batch,
            num_graphs=num_graphs,
            y=x.new_empty((num_graphs, 0), dtype=torch.float32) if y is None else y,
            receiver_ptr=starts(torch.bincount(edge_index[1], minlength=len(x))),
            node_ptr=starts(torch.bincount(batch, minlength=num_graphs)),
            graph_attr=graph_attr,
        )


def _check(x: Tensor, edge_index: Tensor, edge_attr: Tensor, *, batch: Tensor, num_graphs: int) -> None:
    if edge_index.shape != (2, len(edge_attr)) or len(batch) != len(x):
        raise ValueError(
            f"x {tuple(x.shape)}, edge_index {tuple(edge_index.shape)}, edge_attr {tuple(edge_attr.shape)} and batch "
            f"{tuple(batch.shape)} do not fit: expected (N, .), (2, E), (E, .) and (N,)"
        )
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < len(x):
        raise ValueError(f"edge_index names nodes outside 0 .. {len(x) - 1}")
    if len(batch) and (batch[0] < 0 or batch[-1] >= num_graphs or bool((batch.diff() < 0).any())):
        raise ValueError(f"batch must be non-decreasing and within 0 .. {num_graphs - 1}")


def starts(counts: Tensor) -> Tensor:
    """(n,) sizes of consecutive slices -> (n + 1,) int64, where each begins; the last entry is the total."""
    starts = counts.new_zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=starts[1:])
    return starts
