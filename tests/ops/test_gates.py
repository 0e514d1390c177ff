"""The fused mean by gates against its definition and a loop over edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.edges import Edges
from pbgraph.ops.gates import EPSILON, gated_mean, gated_mean_definition
from pbgraph.ops.kernels import definitions_only

counts = st.lists(st.integers(0, 5), max_size=6)
Problem = tuple[torch.Tensor, torch.Tensor, Edges]


def problem(sizes: list[int], channels: int, dtype: torch.dtype = torch.float64) -> Problem:
    """Gates, values of seven senders, and so many edges into each receiver."""
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    receiver = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
    generator = torch.Generator().manual_seed(channels)
    gates = torch.rand(len(receiver), channels, generator=generator, dtype=dtype, requires_grad=True)
    values = torch.randn(7, channels, generator=generator, dtype=dtype, requires_grad=True)
    return gates, values, Edges(torch.randint(7, (len(receiver),), generator=generator), receiver, ptr)


def results(function, gates, values, edges) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(gates, values, edges)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weights).sum(), [gates, values])]


@given(counts, st.integers(1, 20), st.sampled_from([(torch.float64, 1e-12), (torch.float32, 2e-5)]))
@settings(max_examples=60)
def test_equals_its_definition(sizes: list[int], channels: int, precision: tuple[torch.dtype, float]) -> None:
    dtype, tolerance = precision
    found = problem(sizes, channels, dtype)
    ours, theirs = results(gated_mean, *found), results(gated_mean_definition, *found)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("function", [gated_mean, gated_mean_definition])
def test_equals_a_loop_over_edges(function) -> None:  # type: ignore[no-untyped-def]
    gates, values, edges = problem([2, 0, 3, 1], 4)
    weighted, total = torch.zeros(4, 4, dtype=torch.float64), torch.zeros(4, 4, dtype=torch.float64)
    for edge, (sender, receiver) in enumerate(zip(edges.sender.tolist(), edges.receiver.tolist(), strict=True)):
        weighted[receiver] += gates[edge].detach() * values[sender].detach()
        total[receiver] += gates[edge].detach()
    found = function(gates, values, edges)
    torch.testing.assert_close(found, weighted / (total + EPSILON))
    assert found[1].eq(0).all()  # receives nothing


def test_finite_differences() -> None:
    gates, values, edges = problem([2, 0, 3], 3)
    assert torch.autograd.gradcheck(lambda g, v: gated_mean(g, v, edges), (gates, values))


def test_kernel_is_used_unless_switched_off() -> None:
    found = problem([2, 3], 3)
    assert "GatedMean" in type(gated_mean(*found).grad_fn).__name__
    with definitions_only():
        assert "GatedMean" not in type(gated_mean(*found).grad_fn).__name__
