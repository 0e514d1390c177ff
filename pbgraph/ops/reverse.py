"""Pairs of directed edges: for each, the one that goes back."""

from __future__ import annotations

import torch
from torch import Tensor


def reverse_edges(edge_index: Tensor) -> Tensor:
    """(E,) int64: the number of the edge v → u for every edge u → v of edge_index (2, E).

    Of several edges between the same two nodes the first belongs to the first, and so on; a self-loop is its own
    reverse. Raises ValueError if an edge has none.

    >>> reverse_edges(torch.tensor([[1, 2, 0, 0], [0, 0, 1, 2]])).tolist()
    [2, 3, 0, 1]
    """
    sender, receiver = edge_index
    nodes = int(edge_index.max()) + 1 if edge_index.numel() else 0
    there, back = torch.sort(sender * nodes + receiver, stable=True), torch.sort(receiver * nodes + sender, stable=True)
    if not torch.equal(there.values, back.values):
        first = int((there.values != back.values).nonzero()[0])
        edge = int(torch.minimum(there.values, back.values)[first])
        raise ValueError(f"edge between nodes {edge // nodes} and {edge % nodes} has no reverse")
    reverse = torch.empty_like(sender)
    reverse[back.indices] = there.indices
    return reverse
