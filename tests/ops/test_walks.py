"""Return probabilities against powers of a matrix and torch_geometric's transform."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.walks import (
    return_probabilities,
    return_probabilities_definition,
    walk_probabilities,
    walk_probabilities_definition,
)

STEPS = 5


@st.composite
def batches(draw: st.DrawFn) -> GraphBatch:
    """Random directed multigraphs with self-loops, maybe without node or edge, each edge within its graph."""
    sizes = draw(st.lists(st.integers(0, 5), max_size=4))
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    edges = [
        (start + draw(st.integers(0, size - 1)), start + draw(st.integers(0, size - 1)))
        for start, size in zip(starts, sizes, strict=True)
        if size
        for _ in range(draw(st.integers(0, 7)))
    ]
    return GraphBatch.from_dense(
        torch.zeros(sum(sizes), 1, dtype=torch.float64),
        torch.tensor(edges, dtype=torch.int64).view(-1, 2).t(),
        torch.zeros(len(edges), 1),
        batch=torch.repeat_interleave(torch.tensor(sizes, dtype=torch.int64)),
        num_graphs=len(sizes),
    )


@given(batches())
@settings(max_examples=60)
def test_are_diagonals_of_powers(batch: GraphBatch) -> None:
    nodes = len(batch.x)
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    adjacency.index_put_(tuple(batch.edge_index), torch.ones(batch.edge_index.shape[1]).double(), accumulate=True)
    transition = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    expected = [torch.linalg.matrix_power(transition, k).diagonal() for k in range(1, STEPS + 1)]
    torch.testing.assert_close(return_probabilities(batch, STEPS), torch.stack(expected, dim=1))
    torch.testing.assert_close(return_probabilities_definition(batch, STEPS), torch.stack(expected, dim=1))


@given(batches())
@settings(max_examples=60)
def test_of_pairs_are_powers(batch: GraphBatch) -> None:
    nodes, pairs = len(batch.x), Edges.complete(batch)
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    adjacency.index_put_(tuple(batch.edge_index), torch.ones(batch.edge_index.shape[1]).double(), accumulate=True)
    transition = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    powers = [torch.linalg.matrix_power(transition, k) for k in range(STEPS)]
    expected = torch.stack([power[pairs.receiver, pairs.sender] for power in powers], dim=1)
    for function in (walk_probabilities, walk_probabilities_definition):
        torch.testing.assert_close(function(batch, pairs, STEPS), expected)


def test_a_walk_to_another_graph_is_refused() -> None:
    batch = GraphBatch.from_dense(
        torch.zeros(2, 1),
        torch.tensor([[0, 1], [1, 0]]),
        torch.zeros(2, 1),
        batch=torch.tensor([0, 1]),
        num_graphs=2,
    )
    with pytest.raises(ValueError, match="no walk may leave its graph"):
        walk_probabilities(batch, Edges.complete(batch), STEPS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"node_ptr": torch.tensor([0, 1, 2, 3]), "num_graphs": 3},  # an edge leaves its graph by these
        {"node_ptr": torch.tensor([0, 2])},
        {"receiver_ptr": torch.tensor([0, 1, 1, 1])},
        {"receiver_ptr": torch.tensor([0, 0, 0, 2]), "node_ptr": torch.tensor([0, 2, 3]), "num_graphs": 2},
    ],
)
def test_pointers_that_belong_to_other_edges_or_graphs_are_refused(wrong: dict[str, object]) -> None:
    batch = GraphBatch.from_dense(
        torch.zeros(3, 1),
        torch.tensor([[0, 1], [1, 0]]),
        torch.zeros(2, 1),
        batch=torch.zeros(3, dtype=torch.int64),
        num_graphs=1,
    )
    with pytest.raises(ValueError, match=r"node_ptr|no walk may leave its graph"):
        return_probabilities(replace(batch, **wrong), STEPS)  # type: ignore[arg-type]


def test_are_torch_geometrics() -> None:
    from torch_geometric.data import Data
    from torch_geometric.transforms import AddRandomWalkPE

    ring = torch.tensor([[0, 1, 1, 2, 2, 0, 2, 3], [1, 0, 2, 1, 0, 2, 3, 2]])
    batch = GraphBatch.from_dense(
        torch.zeros(4, 1), ring, torch.zeros(8, 1), batch=torch.zeros(4, dtype=torch.int64), num_graphs=1
    )
    theirs = AddRandomWalkPE(STEPS)(Data(edge_index=ring, num_nodes=4)).random_walk_pe
    torch.testing.assert_close(return_probabilities(batch, STEPS), theirs)
    with definitions_only():
        torch.testing.assert_close(return_probabilities(batch, STEPS), theirs)
