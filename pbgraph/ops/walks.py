"""Where random walks go: powers of the transition matrix, for all pairs of nodes of a graph or on the diagonal.

    P_uv = number of edges u → v / number of edges that u sends                0 for a node that sends nothing
    return_probabilities   y_i  = [P_ii, (P²)_ii, …, (P^K)_ii]
    walk_probabilities     y_ij = [1_ij, P_ij, …, (P^(K - 1))_ij]

Sources: Dwivedi et al. 2022, arXiv:2110.07875, equation 4; Ma et al. 2023, arXiv:2305.17589, equation 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pbgraph.graph import GraphBatch
from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import Kernel, fused


def _powers(batch: GraphBatch, count: int) -> Iterator[Tensor]:
    """P⁰, P¹, … of every graph, (G, n, n), where n is the number of nodes of the largest."""
    sizes, (sender, receiver) = batch.node_ptr.diff(), batch.edge_index
    place = _places(batch)
    widest = int(sizes.max()) if len(sizes) else 0
    adjacency = batch.x.new_zeros(batch.num_graphs, widest, widest)
    entries = batch.batch[sender], place[sender], place[receiver]
    adjacency.index_put_(entries, adjacency.new_ones(len(sender)), accumulate=True)
    transition = adjacency / adjacency.sum(2, keepdim=True).clamp(min=1)
    power = torch.eye(widest, dtype=batch.x.dtype, device=batch.x.device).expand_as(transition)
    for _ in range(count):
        yield power
        power = power @ transition


def _places(batch: GraphBatch) -> Tensor:
    """(N,) int64: the number of each node within its graph."""
    return torch.arange(len(batch.x), device=batch.x.device) - batch.node_ptr[batch.batch]


def return_probabilities_definition(batch: GraphBatch, steps: int) -> Tensor:
    """The definition in plain PyTorch, for any device; `return_probabilities` gives the same faster."""
    place = _places(batch)
    powers = list(_powers(batch, steps + 1))[1:]
    return torch.stack([power.diagonal(dim1=1, dim2=2)[batch.batch, place] for power in powers], dim=1)


def return_probabilities(batch: GraphBatch, steps: int) -> Tensor:
    """y (N, steps) of the type of batch.x, steps >= 1; without gradient.

    Raises ValueError for an edge between two graphs.
    """
    _check_within(batch)
    if not fused((_returns,), batch.x):
        return return_probabilities_definition(batch, steps)
    y = batch.x.new_empty(len(batch.x), steps)
    _returns(y, _chances(batch), batch.edge_index[0].contiguous(), batch.receiver_ptr, batch.node_ptr)
    return y


def walk_probabilities_definition(batch: GraphBatch, pairs: Edges, steps: int) -> Tensor:
    """The definition in plain PyTorch, for any device; `walk_probabilities` gives the same faster."""
    place = _places(batch)
    entries = batch.batch[pairs.receiver], place[pairs.receiver], place[pairs.sender]
    return torch.stack([power[entries] for power in _powers(batch, steps)], dim=1)


def walk_probabilities(batch: GraphBatch, pairs: Edges, steps: int) -> Tensor:
    """y (pairs, steps) of walks from the receiver of a pair to its sender, steps >= 1; without gradient.

    pairs  `Edges.complete(batch)`
    Raises ValueError for an edge between two graphs.
    """
    _check_within(batch)
    if not fused((_walks,), batch.x):
        return walk_probabilities_definition(batch, pairs, steps)
    y = batch.x.new_empty(len(pairs.sender), steps)
    sender = batch.edge_index[0].contiguous()
    _walks(y, _chances(batch), sender, batch.receiver_ptr, batch.node_ptr, pairs.ptr)
    return y


def _check_within(batch: GraphBatch) -> None:
    """Of what the loops go by: the edges that each node receives, and the nodes of each graph."""
    graph, receiver = _owners(batch.node_ptr), _owners(batch.receiver_ptr)
    sender = batch.edge_index[0]
    if len(graph) != len(batch.x) or len(receiver) != len(sender):
        raise ValueError(
            f"node_ptr and receiver_ptr are of {len(graph)} nodes and {len(receiver)} edges, "
            f"the batch has {len(batch.x)} and {len(sender)}"
        )
    if not torch.equal(graph[sender], graph[receiver]):
        raise ValueError("an edge joins nodes of two graphs of the batch; no walk may leave its graph")


def _owners(ptr: Tensor) -> Tensor:
    """(n + 1,) where the slices of each of n begin -> which of them each entry is of."""
    return torch.repeat_interleave(ptr.diff())


def _chances(batch: GraphBatch) -> Tensor:
    """(N,) the probability of each edge that a node sends."""
    sent = torch.bincount(batch.edge_index[0], minlength=len(batch.x)).clamp(min=1)
    return 1 / sent.to(batch.x.dtype)


_returns = Kernel("walks_kernels", "returns", "f2 f1 i1 i1 i1", "N,K N E<N N+1@E G+1@N")
_walks = Kernel("walks_kernels", "walks", "f2 f1 i1 i1 i1 i1", "P,K N E<N N+1@E G+1@N N+1@P")
