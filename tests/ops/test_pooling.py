"""The fused graph attention against its definition and a loop over graphs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.pooling import graph_attention, graph_attention_definition

sizes = st.lists(st.integers(0, 5), max_size=6)


def problem(
    counts: list[int], channels: int, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor, GraphBatch]:
    generator = torch.Generator().manual_seed(channels)
    nodes = sum(counts)
    batch = GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.zeros(0, 1),
        batch=torch.repeat_interleave(torch.tensor(counts, dtype=torch.int64)),
        num_graphs=len(counts),
    )
    q = torch.randn(len(counts), channels, generator=generator, dtype=dtype, requires_grad=True)
    x = torch.randn(nodes, channels, generator=generator, dtype=dtype, requires_grad=True)
    return q, x, batch


def results(function, q, x, batch) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(q, x, batch)
    return [y, *torch.autograd.grad(y.sin().sum(), [q, x])]


@given(sizes, st.integers(1, 20), st.sampled_from([(torch.float64, 1e-12), (torch.float32, 1e-5)]))
@settings(max_examples=60)
def test_equals_its_definition(counts: list[int], channels: int, precision: tuple[torch.dtype, float]) -> None:
    dtype, tolerance = precision
    q, x, batch = problem(counts, channels, dtype)
    torch.testing.assert_close(
        results(graph_attention, q, x, batch),
        results(graph_attention_definition, q, x, batch),
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("function", [graph_attention, graph_attention_definition])
def test_equals_a_loop_over_graphs(function) -> None:  # type: ignore[no-untyped-def]
    q, x, batch = problem([2, 0, 3], 4)
    y = function(q, x, batch)
    torch.testing.assert_close(y[0], (x[:2] @ q[0]).softmax(0) @ x[:2])
    torch.testing.assert_close(y[2], (x[2:] @ q[2]).softmax(0) @ x[2:])
    assert y[1].eq(0).all()


def test_finite_differences() -> None:
    q, x, batch = problem([2, 0, 3], 4)
    assert torch.autograd.gradcheck(lambda q, x: graph_attention(q, x, batch), (q, x))


def test_other_batch_is_refused() -> None:
    q, x, batch = problem([2, 3], 4)
    with pytest.raises(ValueError, match="1 graphs, 5 nodes for a batch of 2 and 5"):
        graph_attention(q[:1], x, batch)


def test_non_contiguous_inputs() -> None:
    q, x, batch = problem([2, 0, 3], 5)
    turned = [t.detach().t().contiguous().t().requires_grad_() for t in (q, x)]
    torch.testing.assert_close(
        results(graph_attention, *turned, batch), results(graph_attention_definition, q, x, batch)
    )
