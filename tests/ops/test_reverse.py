"""The edge that goes back, for every edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.ops.reverse import reverse_edges
from pbgraph.testing import molecules


@given(st.lists(st.integers(1, 7), max_size=4), st.integers(0, 1000))
def test_reverse_of_every_edge(sizes: list[int], seed: int) -> None:
    graphs, offset = [], 0
    for graph in molecules(sizes, seed):
        graphs.append(graph.edge_index + offset)
        offset += len(graph.x)
    edge_index = torch.from_numpy(np.concatenate([np.zeros((2, 0), np.int64), *graphs], axis=1))
    edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=torch.Generator().manual_seed(seed))]
    reverse = reverse_edges(edge_index)
    assert torch.equal(edge_index[:, reverse], edge_index.flip(0))
    assert torch.equal(reverse[reverse], torch.arange(edge_index.shape[1]))


def test_reverse_of_parallel_edges_and_of_self_loops() -> None:
    assert reverse_edges(torch.tensor([[0, 0, 1, 1, 2], [1, 1, 0, 0, 2]])).tolist() == [2, 3, 0, 1, 4]


def test_edge_without_reverse_is_refused() -> None:
    for lone in ([[0, 1, 2], [1, 0, 0]], [[0, 1, 0], [1, 0, 2]], [[0], [2]]):
        with pytest.raises(ValueError, match="edge between nodes 0 and 2 has no reverse"):
            reverse_edges(torch.tensor(lone))
