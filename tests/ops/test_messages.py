"""The fused sum of rectified messages against its definition and a loop over edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.messages import relu_sum, relu_sum_definition

Problem = tuple[torch.Tensor, torch.Tensor, GraphBatch]


def problem(nodes: int, edges: int, channels: int, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Problem:
    """Node features, a table of three kinds of edges, and a random multigraph with self-loops."""
    generator = torch.Generator().manual_seed(seed)
    edges = edges if nodes else 0
    kinds = torch.arange(3.0).view(-1, 1)
    batch = GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.randint(max(nodes, 1), (2, edges), generator=generator),
        kinds[torch.randint(3, (edges,), generator=generator)],
        batch=torch.zeros(nodes, dtype=torch.int64),
        num_graphs=1,
    )
    x = torch.randn(nodes, channels, generator=generator, dtype=dtype, requires_grad=True)
    table = torch.randn(len(batch.edge_table), channels, generator=generator, dtype=dtype, requires_grad=True)
    return x, table, batch


def results(function, x, table, batch) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(x, table, batch)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, table])]


@given(
    nodes=st.integers(0, 8),
    edges=st.integers(0, 20),
    channels=st.integers(1, 19),
    seed=st.integers(0, 2**32),
    precision=st.sampled_from([(torch.float64, 1e-12), (torch.float32, 2e-5)]),
)
@settings(max_examples=60)
def test_equals_its_definition(
    nodes: int, edges: int, channels: int, seed: int, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    found = problem(nodes, edges, channels, seed=seed, dtype=dtype)
    torch.testing.assert_close(
        results(relu_sum, *found), results(relu_sum_definition, *found), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("function", [relu_sum, relu_sum_definition])
def test_equals_a_loop_over_edges(function) -> None:  # type: ignore[no-untyped-def]
    x, table, batch = problem(4, 9, 3)
    expected = torch.zeros_like(x)
    for sender, receiver, kind in zip(*batch.edge_index.tolist(), batch.edge_type.tolist(), strict=True):
        expected[receiver] = expected[receiver] + (x[sender] + table[kind]).clamp(min=0)
    torch.testing.assert_close(function(x, table, batch), expected)


def test_finite_differences() -> None:
    x, table, batch = problem(4, 9, 3)
    assert torch.autograd.gradcheck(lambda x, t: relu_sum(x, t, batch), (x, table))


def test_nothing_passes_at_zero_and_nan_stays() -> None:
    x, table, batch = problem(1, 1, 2)
    zero, kinds = torch.zeros_like(x, requires_grad=True), torch.zeros_like(table)
    relu_sum(zero, kinds, batch).sum().backward()
    assert zero.grad.eq(0).all()
    assert relu_sum(torch.full_like(x, torch.nan), table, batch).isnan().all()


def test_kernel_is_used_unless_switched_off() -> None:
    x, table, batch = problem(4, 9, 3)
    assert "ReluSum" in type(relu_sum(x, table, batch).grad_fn).__name__
    with definitions_only():
        assert "ReluSum" not in type(relu_sum(x, table, batch).grad_fn).__name__
