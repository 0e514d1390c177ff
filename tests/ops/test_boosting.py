"""The fused boosted sum against its definition and a loop over receivers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.boosting import boosted_sum, boosted_sum_definition
from pbgraph.ops.edges import Edges
from pbgraph.ops.kernels import definitions_only

counts = st.lists(st.integers(0, 5), max_size=6)


def problem(
    sizes: list[int], channels: int, *, ties: bool = False, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, Edges]:
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    receiver = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
    generator = torch.Generator().manual_seed(channels)
    messages = torch.randn(len(receiver), channels, generator=generator, dtype=dtype)
    return (messages.round() if ties else messages).requires_grad_(), Edges(receiver, receiver, ptr)


def results(function, messages: torch.Tensor, edges: Edges) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(messages, edges)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, torch.autograd.grad((y * weights).sum(), messages)[0]]


@given(counts, st.integers(1, 20), st.booleans(), st.sampled_from([(torch.float64, 1e-12), (torch.float32, 2e-5)]))
@settings(max_examples=60)
def test_equals_its_definition(
    sizes: list[int], channels: int, ties: bool, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    found = problem(sizes, channels, ties=ties, dtype=dtype)
    ours, theirs = results(boosted_sum, *found), results(boosted_sum_definition, *found)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("function", [boosted_sum, boosted_sum_definition])
def test_equals_a_loop_over_receivers(function) -> None:  # type: ignore[no-untyped-def]
    messages, edges = problem([2, 0, 3, 1], 4)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for i in (0, 2, 3):
        received = messages[edges.receiver == i]
        expected[i] = received.sum(0) * received.max(0).values
    torch.testing.assert_close(function(messages, edges), expected)


def test_finite_differences() -> None:
    messages, edges = problem([2, 0, 3], 3)
    assert torch.autograd.gradcheck(lambda m: boosted_sum(m, edges), messages)


def test_nan_stays() -> None:
    messages, edges = problem([3], 2)
    for row in range(3):
        blank = messages.detach().clone()
        blank[row] = torch.nan
        assert boosted_sum(blank, edges).isnan().all()


def test_kernel_is_used_unless_switched_off() -> None:
    found = problem([2, 3], 3)
    assert "BoostedSum" in type(boosted_sum(*found).grad_fn).__name__
    with definitions_only():
        assert "BoostedSum" not in type(boosted_sum(*found).grad_fn).__name__
