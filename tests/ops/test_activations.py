"""The fused celu against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.activations import celu, celu_definition


def results(function, x: torch.Tensor) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    y = function(x)
    return [y, *torch.autograd.grad(y.sin().sum(), x)]


@given(
    st.lists(st.integers(0, 9), max_size=3),
    st.sampled_from([1e-3, 1.0, 30.0]),
    st.sampled_from([(torch.float64, 1e-10), (torch.float32, 1e-5)]),
)
@settings(max_examples=60)
def test_equals_its_definition(shape: list[int], spread: float, precision: tuple[torch.dtype, float]) -> None:
    dtype, tolerance = precision
    x = (spread * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)).requires_grad_()
    ours, plain = results(celu, x), results(celu_definition, x)
    torch.testing.assert_close(ours, plain, rtol=tolerance, atol=0.1 * tolerance)


def test_small_values_keep_their_digits() -> None:
    x = -torch.logspace(-30, 0, 100)
    torch.testing.assert_close(celu(x), torch.expm1(x), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_infinity_and_nan(dtype: torch.dtype) -> None:
    x = torch.tensor([torch.inf, -torch.inf, torch.nan, 0.0], dtype=dtype)
    torch.testing.assert_close(celu(x), celu_definition(x), equal_nan=True)


def test_finite_differences() -> None:
    assert torch.autograd.gradcheck(celu, torch.linspace(-3, 3, 8, dtype=torch.float64).requires_grad_())


def test_non_contiguous_inputs() -> None:
    x = torch.randn(4, 6).t()
    assert celu(x).shape == x.shape
    torch.testing.assert_close(celu(x), celu_definition(x))
    gradients = [torch.autograd.grad(f(x.requires_grad_()).t().cos().sum(), x) for f in (celu, celu_definition)]
    torch.testing.assert_close(*gradients)
