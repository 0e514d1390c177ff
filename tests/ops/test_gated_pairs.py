"""The fused pairs against their definition and a loop over pairs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.edges import Edges
from pbgraph.ops.gated_pairs import gated_pairs, gated_pairs_definition
from pbgraph.ops.kernels import definitions_only

counts = st.lists(st.integers(0, 5), max_size=6)
Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor, Edges]


def problem(sizes: list[int], channels: int, dtype: torch.dtype = torch.float64) -> Problem:
    """Receivers, seven senders, what pairs have of their own, and so many pairs of each receiver."""
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    receiver = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
    generator = torch.Generator().manual_seed(channels)
    shapes = ((len(sizes), channels), (7, channels), (len(receiver), 2 * channels))
    tensors = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    return (*tensors, Edges(torch.randint(7, (len(receiver),), generator=generator), receiver, ptr))  # type: ignore[return-value]


def results(function, *given_: object) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(*given_)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weights).sum(), given_[:3])]


@given(counts, st.integers(1, 20), st.sampled_from([(torch.float64, 1e-10), (torch.float32, 1e-3)]))
@settings(max_examples=60)
def test_equals_its_definition(sizes: list[int], channels: int, precision: tuple[torch.dtype, float]) -> None:
    dtype, tolerance = precision
    found = problem(sizes, channels, dtype)
    ours, theirs = results(gated_pairs, *found), results(gated_pairs_definition, *found)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("function", [gated_pairs, gated_pairs_definition])
def test_equals_a_loop_over_pairs(function) -> None:  # type: ignore[no-untyped-def]
    q, k, own, pairs = problem([2, 0, 3], 3)
    made = function(q, k, own, pairs)
    for pair, (sender, receiver) in enumerate(zip(pairs.sender.tolist(), pairs.receiver.tolist(), strict=True)):
        for c in range(3):
            u = float((q.detach()[receiver, c] + k.detach()[sender, c]) * own.detach()[pair, c])
            assert float(made.detach()[pair, c]) == pytest.approx(
                math.copysign(math.sqrt(abs(u)), u) + float(own[pair, 3 + c])
            )


def test_finite_differences() -> None:
    q, k, own, pairs = problem([2, 0, 3], 3)
    assert torch.autograd.gradcheck(lambda *three: gated_pairs(*three, pairs), (q, k, own))


@pytest.mark.parametrize("function", [gated_pairs, gated_pairs_definition])
@pytest.mark.parametrize("u", [0.0, 1e-13, -1e-13])
def test_nothing_passes_where_the_slope_has_no_limit(function, u: float) -> None:  # type: ignore[no-untyped-def]
    pairs = Edges(torch.tensor([0]), torch.tensor([0]), torch.tensor([0, 1]))
    q, own = torch.tensor([[u]], requires_grad=True), torch.tensor([[1.0, 0.5]], requires_grad=True)
    made = function(q, torch.zeros(1, 1), own, pairs)
    made.sum().backward()
    assert float(made.detach()) == pytest.approx(0.5 + (math.copysign(1e-6, u) if u else 0))
    assert q.grad.eq(0).all()
    assert own.grad.tolist() == [[0, 1]]


@pytest.mark.parametrize("function", [gated_pairs, gated_pairs_definition])
def test_nan_stays(function) -> None:  # type: ignore[no-untyped-def]
    q, k, own, pairs = problem([2], 3)
    assert function(torch.full_like(q, torch.nan), k, own, pairs).isnan().all()


def test_kernel_is_used_unless_switched_off() -> None:
    found = problem([2, 3], 3)
    assert "GatedPairs" in type(gated_pairs(*found).grad_fn).__name__
    with definitions_only():
        assert "GatedPairs" not in type(gated_pairs(*found).grad_fn).__name__
