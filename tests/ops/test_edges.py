"""The fused products over edges against their definitions and dense matrices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.graph import GraphBatch
from pbgraph.ops.edges import (
    Edges,
    edge_scores,
    edge_scores_definition,
    edge_softmax,
    weighted_sum,
    weighted_sum_definition,
)
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.segment import segment_softmax


def edges(counts: list[int], senders: int, seed: int = 0) -> Edges:
    """`counts[i]` random edges into receiver i."""
    ptr = torch.tensor([0, *counts]).cumsum(0)
    receiver = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts, dtype=torch.int64))
    generator = torch.Generator().manual_seed(seed)
    return Edges(torch.randint(senders, receiver.shape, generator=generator), receiver, ptr)


def arrays(found: Edges, heads: int, channels: int, *, senders: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Weights (E, H), q (N, H, C) and k (M, H, C)."""
    shapes = [
        (len(found.sender), heads),
        (found.num_receivers, heads, channels),
        (senders, heads, channels),
    ]
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator, dtype=dtype, requires_grad=True) for shape in shapes]


def results(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> list[torch.Tensor]:
    output = function(*inputs)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return [output, *torch.autograd.grad((output * weights).sum(), inputs)]


@given(
    counts=st.lists(st.integers(0, 5), max_size=6),
    senders=st.integers(1, 5),
    heads=st.integers(1, 3),
    channels=st.integers(1, 20),
    precision=st.sampled_from([(torch.float64, 1e-12), (torch.float32, 2e-5)]),
)
@settings(max_examples=60)
def test_equal_their_definitions(
    counts: list[int], senders: int, heads: int, channels: int, precision: tuple[torch.dtype, float]
) -> None:
    (dtype, tolerance), found = precision, edges(counts, senders)
    w, q, k = arrays(found, heads, channels, senders=senders, dtype=dtype)
    for fused, definition, inputs in (
        (weighted_sum, weighted_sum_definition, (w, k)),
        (edge_scores, edge_scores_definition, (q, k)),
        (edge_softmax, lambda w, found: segment_softmax(w, found.receiver, found.num_receivers), (w,)),
    ):
        torch.testing.assert_close(
            results(lambda *i, f=fused: f(*i, found), *inputs),
            results(lambda *i, f=definition: f(*i, found), *inputs),
            rtol=tolerance,
            atol=tolerance,
        )


def test_are_products_with_a_sparse_matrix() -> None:
    found = edges([2, 0, 3], 4)
    w, q, k = arrays(found, 1, 5, senders=4, dtype=torch.float64)
    matrix = torch.zeros(3, 4, dtype=torch.float64)
    matrix.index_put_((found.receiver, found.sender), w[:, 0].detach(), accumulate=True)
    torch.testing.assert_close(weighted_sum(w, k, found)[:, 0], matrix @ k[:, 0])
    scores = (q[:, 0] @ k[:, 0].t())[found.receiver, found.sender]
    torch.testing.assert_close(edge_scores(q, k, found)[:, 0], scores)


def test_finite_differences() -> None:
    found = edges([2, 0, 3], 4)
    w, q, k = arrays(found, 2, 3, senders=4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda w, k: weighted_sum(w, k, found), (w, k))
    assert torch.autograd.gradcheck(lambda q, k: edge_scores(q, k, found), (q, k))
    assert torch.autograd.gradcheck(lambda w: edge_softmax(w, found), (w,))


def test_softmax_does_not_overflow_and_nan_stays() -> None:
    found = edges([2, 2], 1)
    logits = torch.tensor([[1000.0], [999.0], [torch.nan], [0.0]])
    p = edge_softmax(logits, found)
    torch.testing.assert_close(p[:2, 0], torch.tensor([0.7310586, 0.2689414]))
    assert p[2:].isnan().all()


def test_frozen_inputs_get_no_gradient() -> None:
    found = edges([2, 1], 2)
    w, q, k = arrays(found, 1, 3, senders=2, dtype=torch.float32)
    weighted_sum(w, k.detach(), found).sum().backward()
    edge_scores(q.detach(), k, found).sum().backward()
    assert q.grad is None
    assert w.grad is not None
    assert k.grad is not None


def test_kernels_are_used_unless_switched_off() -> None:
    found = edges([2, 1], 2)
    w, _, k = arrays(found, 1, 3, senders=2, dtype=torch.float32)
    assert "WeightedSum" in type(weighted_sum(w, k, found).grad_fn).__name__
    with definitions_only():
        assert "WeightedSum" not in type(weighted_sum(w, k, found).grad_fn).__name__


@pytest.mark.parametrize("sizes", [[2, 0, 3], [1], []])
def test_edges_of_a_batch(sizes: list[int]) -> None:
    graphs = torch.repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
    nodes = len(graphs)
    batch = GraphBatch.from_dense(
        torch.zeros(nodes, 1),
        torch.zeros(2, min(nodes, 1), dtype=torch.int64),
        torch.zeros(min(nodes, 1), 1),
        batch=graphs,
        num_graphs=len(sizes),
    )
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if graphs[i] == graphs[j]]
    complete = Edges.complete(batch)
    assert list(zip(complete.receiver.tolist(), complete.sender.tolist(), strict=True)) == pairs
    for found in (complete, Edges.of(batch), Edges.to_graphs(batch)):
        counts = torch.bincount(found.receiver, minlength=found.num_receivers)
        assert torch.equal(found.ptr.diff(), counts)
    assert Edges.to_graphs(batch).num_receivers == len(sizes)
