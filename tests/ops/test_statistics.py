"""The fused statistics of messages against their definition and torch_geometric's aggregations."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.statistics import edge_statistics, edge_statistics_definition

counts = st.lists(st.integers(0, 5), max_size=6)


def problem(
    sizes: list[int], channels: int, *, ties: bool, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, Edges]:
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    receiver = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
    generator = torch.Generator().manual_seed(channels)
    messages = torch.randn(len(receiver), channels, generator=generator, dtype=dtype)
    return (messages.round() + 0.5 if ties else messages).requires_grad_(), Edges(receiver, receiver, ptr)


def results(function, messages: torch.Tensor, *others: object) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(messages, *others)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, torch.autograd.grad((y * weights).sum(), messages)[0]]


@given(counts, st.integers(1, 20), st.booleans(), st.sampled_from([(torch.float64, 1e-10), (torch.float32, 1e-4)]))
@settings(max_examples=60)
def test_equals_its_definition(
    sizes: list[int], channels: int, ties: bool, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    messages, edges = problem(sizes, channels, ties=ties, dtype=dtype)
    torch.testing.assert_close(
        results(edge_statistics, messages, edges),
        results(edge_statistics_definition, messages, edges),
        rtol=tolerance,
        atol=tolerance,
    )


@given(counts, st.integers(1, 6), st.booleans())
@settings(max_examples=20)
def test_is_torch_geometrics(sizes: list[int], channels: int, ties: bool) -> None:
    from torch_geometric.nn.aggr import MultiAggregation

    messages, edges = problem(sizes, channels, ties=ties)
    theirs = MultiAggregation(["mean", "min", "max", "std"])
    torch.testing.assert_close(
        results(edge_statistics, messages, edges),
        results(lambda m: theirs(m, edges.receiver, dim_size=edges.num_receivers), messages),
    )


@given(st.integers(0, 3), st.booleans())
@settings(max_examples=8)
def test_nan_stays(place: int, ties: bool) -> None:
    messages, edges = problem([4, 2], 3, ties=ties)
    with torch.no_grad():
        messages[place, 1] = torch.nan
    for function in (edge_statistics, edge_statistics_definition):
        y = function(messages, edges).view(2, 4, 3)
        assert y[0, :3, 1].isnan().all()
        assert y.isnan().sum() <= 4


def test_finite_differences() -> None:
    messages, edges = problem([3, 0, 2, 1], 4, ties=False)
    assert torch.autograd.gradcheck(lambda m: edge_statistics(m, edges), messages)


def test_kernel_is_used_unless_switched_off() -> None:
    messages, edges = problem([2, 1], 3, ties=False)
    assert "View" in type(edge_statistics(messages, edges).grad_fn).__name__
    with definitions_only():
        assert "Cat" in type(edge_statistics(messages, edges).grad_fn).__name__
