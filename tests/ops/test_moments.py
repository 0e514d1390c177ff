"""The fused moments against their definition and against NumPy."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.moments import moments, moments_definition, side_by_side


def values(rows: int, channels: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rows, channels, generator=generator, dtype=dtype) + 3
    return a, 0.5 * a + torch.randn(rows, channels, generator=generator, dtype=dtype)


precisions = st.sampled_from([(torch.float64, 1e-10), (torch.float32, 1e-5)])


@given(st.integers(1, 30), st.integers(0, 40), st.integers(0, 2**32), precisions)
@settings(max_examples=60)
def test_equals_its_definition(rows: int, channels: int, seed: int, precision: tuple[torch.dtype, float]) -> None:
    dtype, tolerance = precision
    a, b = values(rows, channels, seed, dtype)
    torch.testing.assert_close(moments(a, b), moments_definition(a, b), rtol=tolerance, atol=tolerance)


@given(st.integers(1, 6), st.integers(0, 9), st.integers(1, 40), st.integers(0, 2**32), precisions)
@settings(max_examples=40)
def test_columns_on_the_second_of_three_axes_are_those_of_the_same_rows(
    items: int, channels: int, places: int, seed: int, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    rows = values(items * places, channels, seed, dtype)
    a, b = (x.view(items, places, channels).movedim(-1, 1) for x in rows)
    for found in (moments(a, b, -2), moments_definition(a, b, -2)):
        torch.testing.assert_close(found, moments_definition(*rows), rtol=tolerance, atol=tolerance)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=30)
def test_side_by_side_they_are_those_of_each_bit_for_bit(shapes: list[tuple[int, int]], definition: bool) -> None:
    pairs = [values(rows, channels, seed, torch.float32) for seed, (rows, channels) in enumerate(shapes)]
    with definitions_only() if definition else nullcontext():
        found, axes = side_by_side(pairs, [-1] * len(pairs)), [-1] * len(pairs)
        each = [moments(a, b) for a, b in pairs]
        out = tuple(torch.full_like(whole, 7.0) for whole in found)
        assert side_by_side(pairs, axes, out) is not found
    for whole, written, parts in zip(found, out, zip(*each, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(parts, 1))
        assert torch.equal(whole, written)


def test_what_does_not_fit_is_refused() -> None:
    a, b = values(5, 3, 0)
    with pytest.raises(ValueError, match=r"\(5, 3\) and \(4, 3\)"):
        moments(a, b[:4])
    out = torch.empty(2, 4, dtype=torch.float64), torch.empty(3, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="3 columns do not fit into 4"):
        side_by_side([(a, b)], [-1], out)


def test_is_numpys_covariance() -> None:
    a, b = values(50, 3, 0)
    _, sums = moments(a, b)
    for c in range(3):
        covariance = np.cov(a[:, c].numpy(), b[:, c].numpy(), bias=True) * 50
        np.testing.assert_allclose(sums[:, c], [covariance[0, 0], covariance[1, 1], covariance[0, 1]], rtol=1e-12)


def test_a_far_mean_costs_no_digits() -> None:
    a, b = values(1000, 4, 1)
    torch.testing.assert_close(moments(a + 1e6, b - 1e6)[1], moments(a, b)[1], rtol=1e-6, atol=0)


def test_nothing_and_what_is_not_finite() -> None:
    for function in (moments, moments_definition):
        mean, sums = function(torch.ones(0, 2), torch.ones(0, 2))
        assert mean.isnan().all()
        assert sums.eq(0).all()
        bad = torch.tensor([[1.0, torch.inf], [2.0, 1.0]])
        assert function(bad, torch.ones(2, 2))[1].isfinite().tolist() == [[True, False], [True, True], [True, False]]


def test_non_contiguous_inputs_and_no_gradient() -> None:
    a, b = values(6, 6, 2)
    turned = a.t().contiguous().t().requires_grad_()
    mean, sums = moments(turned, b.t())
    torch.testing.assert_close((mean, sums), moments_definition(a, b.t()))
    assert not sums.requires_grad
