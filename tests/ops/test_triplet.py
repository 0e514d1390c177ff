"""The fused triplet attention against its definition, on random graphs of every shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.triplet import triplet_attention, triplet_attention_definition


@st.composite
def problems(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, GraphBatch]:
    """node (N, H, C + 2), edge (B, H, C + 1) and a random multigraph with self-loops, maybe without node or bond."""
    nodes, kinds, heads, channels = (draw(st.integers(low, high)) for low, high in [(0, 9), (1, 4), (1, 4), (1, 19)])
    edges = draw(st.integers(0, 25)) if nodes else 0
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    table = torch.arange(float(kinds)).view(-1, 1)
    batch = GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.randint(max(nodes, 1), (2, edges), generator=generator),
        table[torch.randint(kinds, (edges,), generator=generator)],
        batch=torch.zeros(nodes, dtype=torch.int64),
        num_graphs=1,
    )
    node = 3 * torch.randn(nodes, heads, channels + 2, generator=generator, dtype=dtype)
    edge = torch.randn(len(batch.edge_table), heads, channels + 1, generator=generator, dtype=dtype)
    return node, edge, batch


def results(function, node, edge, batch) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    node, edge = node.clone().requires_grad_(), edge.clone().requires_grad_()
    out = function(node, edge, batch)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return [out, *torch.autograd.grad((out * weights).sum(), [node, edge])]


@given(problems())
@settings(max_examples=60)
def test_equals_its_definition(problem: tuple[torch.Tensor, torch.Tensor, GraphBatch]) -> None:
    torch.testing.assert_close(
        results(triplet_attention, *problem), results(triplet_attention_definition, *problem), rtol=1e-12, atol=1e-12
    )


@given(problems(torch.float32))
@settings(max_examples=60)
def test_float32_keeps_five_digits(problem: tuple[torch.Tensor, torch.Tensor, GraphBatch]) -> None:
    torch.testing.assert_close(
        results(triplet_attention, *problem), results(triplet_attention_definition, *problem), rtol=1e-5, atol=1e-5
    )


@given(problems())
@settings(max_examples=10)
def test_finite_differences(problem: tuple[torch.Tensor, torch.Tensor, GraphBatch]) -> None:
    node, edge, batch = problem
    node.requires_grad_()
    edge.requires_grad_()
    assert torch.autograd.gradcheck(lambda n, e: triplet_attention(n, e, batch), (node, edge))


def path(nodes: int = 3) -> GraphBatch:
    forth = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    return GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.cat([forth, forth.flip(0)], 1),
        torch.ones(2 * nodes - 2, 1),
        batch=torch.zeros(nodes, dtype=torch.int64),
        num_graphs=1,
    )


@pytest.mark.parametrize("function", [triplet_attention, triplet_attention_definition])
def test_attention_weights_sum_to_one(function) -> None:  # type: ignore[no-untyped-def]
    node, edge = torch.randn(3, 2, 6), torch.randn(1, 2, 5)
    node[..., :4], edge[..., :4] = 1.0, 1.0  # every message is α itself
    torch.testing.assert_close(function(node, edge, path()), torch.ones(3, 2, 4))


@pytest.mark.parametrize("function", [triplet_attention, triplet_attention_definition])
def test_a_node_without_edges_receives_nothing(function) -> None:  # type: ignore[no-untyped-def]
    assert function(torch.randn(1, 2, 6), torch.randn(0, 2, 5), path(1)).eq(0).all()


def test_large_logits_do_not_overflow_and_nan_stays() -> None:
    node, edge = torch.randn(3, 2, 6), torch.randn(1, 2, 5)
    node[..., 4:] *= 1e30
    assert triplet_attention(node, edge, path()).isfinite().all()
    node[0, 0, 0] = torch.nan
    assert triplet_attention(node, edge, path())[1, 0].isnan().any()


def test_non_contiguous_inputs() -> None:
    node, edge = torch.randn(6, 2, 3, dtype=torch.float64), torch.randn(5, 2, 1, dtype=torch.float64)
    node, edge = node.permute(2, 1, 0), edge.permute(2, 1, 0)
    torch.testing.assert_close(
        results(triplet_attention, node, edge, path()), results(triplet_attention_definition, node, edge, path())
    )


def test_frozen_edges_get_no_gradient_and_nodes_the_same_one() -> None:
    node, edge = torch.randn(3, 2, 6, requires_grad=True), torch.randn(1, 2, 5)
    triplet_attention(node, edge, path()).sum().backward()
    expected = torch.autograd.grad(triplet_attention_definition(node, edge, path()).sum(), node)[0]
    torch.testing.assert_close(node.grad, expected)
    assert edge.grad is None


def test_kernel_is_used_unless_switched_off() -> None:
    node, edge = torch.randn(3, 2, 6, requires_grad=True), torch.randn(1, 2, 5)
    assert "Attention" in type(triplet_attention(node, edge, path()).grad_fn).__name__
    with definitions_only():
        assert "Attention" not in type(triplet_attention(node, edge, path()).grad_fn).__name__
