"""All graphs of a data set in flat arrays, from which batches are cut.

Molecules know few distinct atoms (about 170 in Tox21) and bonds (15): a node or edge stores the row of a small table of
features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pbgraph.graph.batch import GraphBatch, starts
from pbgraph.graph.molecule import MolGraph
from pbgraph.molecules import Fingerprints

_TENSORS = ("node_type", "node_table", "in_degree", "sender", "edge_type", "edge_table")


@dataclass(frozen=True, eq=False)
class GraphStore:
    """G labelled graphs in flat arrays; batches are cut out by index arithmetic, without a loop over graphs.

    node_type   (N,) int32, row of `node_table`
    node_table  (A, node_dim) float32, the distinct node feature vectors
    in_degree   (N,) int32, number of edges that the node receives
    sender      (E,) int32, number of the sending node within its graph; edges in the order (graph, receiver, sender)
    edge_type   (E,) int32, row of `edge_table`
    edge_table  (B, edge_dim) float32, the distinct edge feature vectors
    node_ptr    (G + 1,) int64; graph g owns nodes node_ptr[g] : node_ptr[g + 1]
    edge_ptr    (G + 1,) int64; graph g owns edges edge_ptr[g] : edge_ptr[g + 1]
    y           (G, T) float32, NaN = not measured
    graph_attr  (G, graph_dim) float32, features of whole molecules, NaN = undefined; None where there are none
    fingerprints  of the molecules, where labels of similar ones are to become features; else None
    Pointers and labels are NumPy arrays and stay in main memory, so that no index arithmetic waits for a GPU.
    """

    node_type: Tensor
    node_table: Tensor
    in_degree: Tensor
    sender: Tensor
    edge_type: Tensor
    edge_table: Tensor
    node_ptr: np.ndarray
    edge_ptr: np.ndarray
    y: np.ndarray
    graph_attr: Tensor | None = None
    fingerprints: Fingerprints | None = None

    def __post_init__(self) -> None:
        if self.y.ndim != 2 or len(self.y) != len(self):
            raise ValueError(f"labels of shape {self.y.shape} for {len(self)} graphs; expected ({len(self)}, tasks)")
        if self.graph_attr is not None and (self.graph_attr.ndim != 2 or len(self.graph_attr) != len(self)):
            raise ValueError(f"graph_attr is {tuple(self.graph_attr.shape)}, expected ({len(self)}, .)")

    def __len__(self) -> int:
        return len(self.node_ptr) - 1

    @property
    def node_dim(self) -> int:
        """Columns of node features."""
        return self.node_table.shape[1]

    @property
    def edge_dim(self) -> int:
        """Columns of edge features."""
        return self.edge_table.shape[1]

    @property
    def graph_dim(self) -> int:
        """Columns of features of whole molecules."""
        return 0 if self.graph_attr is None else self.graph_attr.shape[1]

    def with_whole(self, graph_attr: np.ndarray | None, fingerprints: Fingerprints | None = None) -> GraphStore:
        """The same graphs with these features of whole molecules, (G, D), and fingerprints; None for none."""
        columns = None if graph_attr is None else torch.from_numpy(np.ascontiguousarray(graph_attr, dtype=np.float32))
        return replace(self, graph_attr=columns, fingerprints=fingerprints)

    @classmethod
    def from_graphs(cls, graphs: Sequence[MolGraph], y: np.ndarray) -> GraphStore:
        """A store of any graphs with equal numbers of columns; y (G, T).

        Raises ValueError if there is no graph, since its columns would be unknown.
        """
        if not graphs:
            raise ValueError("a store needs at least one graph to know its columns")
        node_table, node_type = _distinct_rows([graph.x for graph in graphs])
        edge_table, edge_type = _distinct_rows([graph.edge_attr for graph in graphs])
        return cls.from_codes(
            node_type=node_type,
            node_table=node_table,
            edge_index=np.concatenate([graph.edge_index for graph in graphs], axis=1),
            edge_type=edge_type,
            edge_table=edge_table,
            node_counts=np.array([len(graph.x) for graph in graphs]),
            edge_counts=np.array([len(graph.edge_attr) for graph in graphs]),
            y=y,
        )

    @classmethod
    def from_codes(
        cls,
        *,
        node_type: np.ndarray,
        node_table: np.ndarray,
        edge_index: np.ndarray,
        edge_type: np.ndarray,
        edge_table: np.ndarray,
        node_counts: np.ndarray,
        edge_counts: np.ndarray,
        y: np.ndarray,
    ) -> GraphStore:
        """A store from concatenated arrays of all graphs; sorts the edges.

        edge_index  (2, E), numbered within each graph, the edges of a graph in any order
        node_counts, edge_counts  (G,), how many nodes and edges each graph has
        The others are as the fields of the same name.
        """
        node_ptr, edge_ptr = _pointers(node_counts), _pointers(edge_counts)
        sender, receiver = edge_index + np.repeat(node_ptr[:-1], edge_counts)
        order = np.lexsort((sender, receiver))
        return cls(
            node_type=torch.from_numpy(node_type.astype(np.int32)),
            node_table=torch.from_numpy(node_table.astype(np.float32)),
            in_degree=torch.from_numpy(np.bincount(receiver, minlength=len(node_type)).astype(np.int32)),
            sender=torch.from_numpy(edge_index[0][order].astype(np.int32)),
            edge_type=torch.from_numpy(edge_type[order].astype(np.int32)),
            edge_table=torch.from_numpy(edge_table.astype(np.float32)),
            node_ptr=node_ptr,
            edge_ptr=edge_ptr,
            y=y.astype(np.float32),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All but the labels, by field name, to be kept in a file; `from_arrays` is the inverse."""
        tensors = {name: getattr(self, name).cpu().numpy() for name in _TENSORS}
        whole = {} if self.graph_attr is None else {"graph_attr": self.graph_attr.cpu().numpy()}
        if self.fingerprints is not None:
            whole |= self.fingerprints.arrays()
        return {**tensors, **whole, "node_ptr": self.node_ptr, "edge_ptr": self.edge_ptr}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], y: np.ndarray) -> GraphStore:
        """A store from what `arrays` gave, and labels (G, T)."""
        tensors = {name: torch.from_numpy(arrays[name]) for name in (*_TENSORS, "graph_attr") if name in arrays}
        return cls(
            **tensors,
            node_ptr=arrays["node_ptr"],
            edge_ptr=arrays["edge_ptr"],
            y=y.astype(np.float32),
            fingerprints=Fingerprints.of_arrays(arrays),
        )

    def to(self, device: str | torch.device) -> GraphStore:
        """The store with its tensors on `device`, where its batches are then made."""
        whole = None if self.graph_attr is None else self.graph_attr.to(device)
        return replace(self, graph_attr=whole, **{name: getattr(self, name).to(device) for name in _TENSORS})

    def select(self, index: np.ndarray) -> GraphStore:
        """The graphs with these numbers, in this order; a number may occur more than once.

        index (n,) int. Raises IndexError if a number is not in 0 .. G - 1, TypeError for booleans or floats.
        """
        rows, device = _row_numbers(index, len(self)), self.node_type.device
        nodes, node_ptr = _slices(self.node_ptr, rows, device)
        edges, edge_ptr = _slices(self.edge_ptr, rows, device)
        return replace(
            self,
            node_type=self.node_type.index_select(0, nodes),
            in_degree=self.in_degree.index_select(0, nodes),
            sender=self.sender.index_select(0, edges),
            edge_type=self.edge_type.index_select(0, edges),
            node_ptr=node_ptr,
            edge_ptr=edge_ptr,
            y=self.y[rows],
            graph_attr=None if self.graph_attr is None else self.graph_attr[torch.from_numpy(rows).to(device)],
            fingerprints=None if self.fingerprints is None else self.fingerprints.select(rows),
        )

    def batch(self, index: np.ndarray) -> GraphBatch:
        """The graphs with these numbers as one batch; arguments and errors as of `select`."""
        return self.select(index).as_batch()

    def as_batch(self) -> GraphBatch:
        """All graphs of the store as one batch."""
        device = self.node_type.device
        nodes = torch.arange(len(self.node_type), device=device)
        receiver = nodes.repeat_interleave(self.in_degree, output_size=len(self.sender))  # E
        first = torch.from_numpy(np.repeat(self.node_ptr[:-1], np.diff(self.edge_ptr))).to(device)  # E
        graphs = np.repeat(np.arange(len(self)), np.diff(self.node_ptr))  # N
        return GraphBatch(
            x=self.node_table.index_select(0, self.node_type),
            edge_index=torch.stack([self.sender + first, receiver]),
            edge_type=self.edge_type.long(),
            edge_table=self.edge_table,
            batch=torch.from_numpy(graphs).to(device),
            num_graphs=len(self),
            y=torch.from_numpy(self.y).to(device),
            receiver_ptr=starts(self.in_degree),
            node_ptr=torch.from_numpy(self.node_ptr).to(device),
            graph_attr=self.graph_attr,
        )


def _distinct_rows(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all parts -> (distinct rows (A, D), number of the distinct row of each (N,))."""
    rows = np.concatenate(parts)
    table, kind = np.unique(rows, axis=0, return_inverse=True)
    return table, kind.reshape(-1)


def _pointers(counts: np.ndarray) -> np.ndarray:
    """(n,) sizes of consecutive slices -> (n + 1,) int64, where each begins; the last entry is the total."""
    pointers = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=pointers[1:])
    return pointers


def _row_numbers(index: np.ndarray, size: int) -> np.ndarray:
    index = np.asarray(index)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        raise TypeError(f"index has shape {index.shape} and type {index.dtype}; expected (n,) integers")
    if index.size and not 0 <= index.min() <= index.max() < size:
        raise IndexError(f"index spans {index.min()} .. {index.max()}; the store has graphs 0 .. {size - 1}")
    return index.astype(np.int64)


def _slices(pointers: np.ndarray, rows: np.ndarray, device: torch.device) -> tuple[Tensor, np.ndarray]:
    """The elements pointers[r] : pointers[r + 1] of all r in rows, one after another, and the result's pointers."""
    first = pointers[rows]
    counts = pointers[rows + 1] - first
    new = _pointers(counts)
    elements = np.arange(new[-1]) + np.repeat(first - new[:-1], counts)
    return torch.from_numpy(elements).to(device), new
