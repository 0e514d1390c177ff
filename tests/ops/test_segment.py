"""Segment operations against loops over the segments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum, spread

segments = st.lists(st.integers(0, 6), max_size=20).map(lambda ids: torch.tensor(ids, dtype=torch.int64))


def rows(segment: torch.Tensor) -> torch.Tensor:
    return torch.randn(len(segment), 3, generator=torch.Generator().manual_seed(len(segment)), dtype=torch.float64)


@given(segments)
def test_sum_and_mean_equal_a_loop(segment: torch.Tensor) -> None:
    values = rows(segment)
    sums = torch.stack([values[segment == s].sum(0) for s in range(7)])
    counts = torch.stack([(segment == s).sum() for s in range(7)]).clamp(min=1)
    torch.testing.assert_close(segment_sum(values, segment, 7), sums)
    torch.testing.assert_close(segment_mean(values, segment, 7), sums / counts[:, None])
    torch.testing.assert_close(segment_mean(values[:, 0], segment, 7), sums[:, 0] / counts)


@given(segments, st.booleans())
def test_maximum_equals_a_loop(segment: torch.Tensor, ties: bool) -> None:
    segment = segment.sort().values
    values = (rows(segment).round() if ties else rows(segment)).requires_grad_()
    found = segment_max(values, segment, torch.searchsorted(segment, torch.arange(8)))
    empty = values.new_zeros(3)
    expected = torch.stack([values[segment == s].amax(0) if (segment == s).any() else empty for s in range(7)])
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad((y.sin() + 0 * values.sum()).sum(), values)[0] for y in (found, expected))
    torch.testing.assert_close(*gradients)


def test_maximum_keeps_nan_and_infinities() -> None:
    values = torch.tensor([[1.0, -torch.inf], [torch.nan, torch.inf], [2.0, -torch.inf]])
    found = segment_max(values, torch.tensor([0, 0, 1]), torch.tensor([0, 2, 3]))
    torch.testing.assert_close(found, torch.tensor([[torch.nan, torch.inf], [2.0, -torch.inf]]), equal_nan=True)


@given(segments)
def test_softmax_equals_a_loop(segment: torch.Tensor) -> None:
    values = rows(segment)
    weights = segment_softmax(values, segment, 7)
    for s in range(7):
        torch.testing.assert_close(weights[segment == s], values[segment == s].softmax(0))


def test_softmax_does_not_overflow() -> None:
    values, segment = torch.tensor([1000.0, 999.0, -1000.0]), torch.tensor([0, 0, 1])
    torch.testing.assert_close(segment_softmax(values, segment, 2), torch.tensor([0.7310586, 0.2689414, 1.0]))


def test_gradients() -> None:
    segment = torch.tensor([0, 0, 2, 2, 2])
    for operation in (segment_sum, segment_mean, segment_softmax):
        values = rows(segment).requires_grad_()
        assert torch.autograd.gradcheck(lambda v, f=operation: f(v, segment, 3), values)


@pytest.mark.parametrize("one_hot", [0, 2**20], ids=["sorted", "one-hot"])
@given(segment=segments, slices=st.booleans())
def test_a_gpus_way_comes_to_the_same(one_hot: int, segment: torch.Tensor, slices: bool) -> None:
    index = segment.sort().values if slices else segment
    ptr = torch.searchsorted(index, torch.arange(8)) if slices else None
    values, x = rows(segment).requires_grad_(), torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    operations = (
        lambda: segment_sum(values, index, 7, ptr),
        lambda: segment_mean(values[:, 0], index, 7, ptr),
        lambda: segment_softmax(values, index, 7, ptr),
        lambda: spread(x, index, ptr),
    )
    expected = [results(operation, values, x) for operation in operations]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pbgraph.ops.segment._on_cpu", lambda _: False)
        patch.setattr("pbgraph.ops.segment.ONE_HOT", one_hot)
        found = [results(operation, values, x) for operation in operations]
    torch.testing.assert_close(found, expected)


def results(operation: Callable[[], torch.Tensor], *inputs: torch.Tensor) -> list[torch.Tensor]:
    """Its value, and the gradients of a weighted sum of it."""
    y = operation()
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    found = torch.autograd.grad((y * weights).sum(), inputs, allow_unused=True)
    return [y.detach(), *(gradient for gradient in found if gradient is not None)]
