"""Segment operations against loops over the segments."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pbgraph.ops.segment import segment_mean, segment_softmax, segment_sum

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
