"""Where random walks return to: the diagonal of powers of the transition matrix.

    P_uv = number of edges u → v / number of edges that u sends
    y_i  = [P_ii, (P²)_ii, …, (P^K)_ii]                                  0 for a node that sends nothing

Source: Dwivedi et al. 2022, arXiv:2110.07875, equation 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import Kernel, fused


def return_probabilities_definition(batch: GraphBatch, steps: int) -> Tensor:
    """The definition in plain PyTorch, for any device; `return_probabilities` gives the same faster."""
    sizes, (sender, receiver) = batch.node_ptr.diff(), batch.edge_index
    place = torch.arange(len(batch.x), device=batch.x.device) - batch.node_ptr[batch.batch]  # N: within its graph
    widest = int(sizes.max()) if len(sizes) else 0
    adjacency = batch.x.new_zeros(batch.num_graphs, widest, widest)
    entries = batch.batch[sender], place[sender], place[receiver]
    adjacency.index_put_(entries, adjacency.new_ones(len(sender)), accumulate=True)
    transition = adjacency / adjacency.sum(2, keepdim=True).clamp(min=1)
    power, returns = torch.eye(widest, dtype=batch.x.dtype, device=batch.x.device).expand_as(transition), []
    for _ in range(steps):
        power = power @ transition
        returns.append(power.diagonal(dim1=1, dim2=2)[batch.batch, place])
    return torch.stack(returns, dim=1)


def return_probabilities(batch: GraphBatch, steps: int) -> Tensor:
    """y (N, steps) of the type of batch.x, steps >= 1; without gradient.

    Raises ValueError for an edge between two graphs.
    """
    if not torch.equal(batch.batch[batch.edge_index[0]], batch.batch[batch.edge_index[1]]):
        raise ValueError("an edge joins nodes of two graphs of the batch; no walk may leave its graph")
    if not fused((_returns,), batch.x):
        return return_probabilities_definition(batch, steps)
    sent = torch.bincount(batch.edge_index[0], minlength=len(batch.x)).clamp(min=1)
    y = batch.x.new_empty(len(batch.x), steps)
    _returns(y, 1 / sent.to(y.dtype), batch.edge_index[0].contiguous(), batch.receiver_ptr, batch.node_ptr)
    return y


_returns = Kernel("walks_kernels", "returns", "f2 f1 i1 i1 i1", "N,K N E<N N+1@E G+1@N")
