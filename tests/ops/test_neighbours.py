"""The fused sum over neighbours against its definition, the adjacency matrix and PyG's layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.neighbours import neighbour_sum, neighbour_sum_definition


def graph(nodes: int, edges: int, seed: int) -> GraphBatch:
    """A random multigraph with self-loops."""
    generator = torch.Generator().manual_seed(seed)
    return GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.randint(max(nodes, 1), (2, edges if nodes else 0), generator=generator),
        torch.zeros(edges if nodes else 0, 1),
        batch=torch.zeros(nodes, dtype=torch.int64),
        num_graphs=1,
    )


def results(function, x: torch.Tensor, batch: GraphBatch) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    x = x.detach().requires_grad_()
    y = function(x, batch)
    return [y, *torch.autograd.grad((y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum(), [x])]


graphs = st.builds(graph, st.integers(0, 9), st.integers(0, 25), st.integers(0, 2**32))


@given(graphs, st.integers(1, 40), st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=60)
def test_equals_its_definition_bit_for_bit(batch: GraphBatch, channels: int, dtype: torch.dtype) -> None:
    x = torch.randn(len(batch.x), channels, dtype=dtype)
    torch.testing.assert_close(
        results(neighbour_sum, x, batch), results(neighbour_sum_definition, x, batch), rtol=0, atol=0
    )


def test_is_the_product_with_the_adjacency_matrix() -> None:
    batch, x = graph(7, 20, 1), torch.randn(7, 3, dtype=torch.float64)
    adjacency = torch.zeros(7, 7, dtype=torch.float64)
    adjacency.index_put_((batch.edge_index[1], batch.edge_index[0]), torch.ones(20).double(), accumulate=True)
    torch.testing.assert_close(neighbour_sum(x, batch), adjacency @ x)


def test_is_the_aggregation_of_pygs_gin() -> None:
    from torch_geometric.nn import GINConv

    batch, x = graph(50, 110, 2), torch.randn(50, 64)
    torch.testing.assert_close(
        x + neighbour_sum(x, batch), GINConv(torch.nn.Identity())(x, batch.edge_index), rtol=0, atol=0
    )


def test_finite_differences() -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: neighbour_sum(x, graph(5, 12, 3)), (x,))


def test_non_contiguous_input_and_gradient() -> None:
    batch, x = graph(6, 14, 4), torch.randn(4, 6, dtype=torch.float64).t()
    torch.testing.assert_close(results(neighbour_sum, x, batch), results(neighbour_sum_definition, x, batch))


def test_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="4 nodes for a batch of 5"):
        neighbour_sum(torch.zeros(4, 2), graph(5, 3, 5))


def test_kernel_is_used_unless_switched_off() -> None:
    batch, x = graph(4, 6, 6), torch.randn(4, 2, requires_grad=True)
    assert "NeighbourSum" in type(neighbour_sum(x, batch).grad_fn).__name__
    with definitions_only():
        assert "NeighbourSum" not in type(neighbour_sum(x, batch).grad_fn).__name__
