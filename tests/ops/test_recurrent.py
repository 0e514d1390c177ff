"""The fused GRU and LayerNorm step against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbgraph.ops.recurrent import gru, gru_cell, gru_cell_norm, gru_definition, gru_norm, gru_norm_definition

Inputs = tuple[torch.Tensor, ...]


def inputs(nodes: int, channels: int, seed: int = 0, dtype: torch.dtype = torch.float64, spread: float = 2) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(nodes, 3 * channels), (nodes, 3 * channels), (nodes, channels), (3 * channels,), (3 * channels,)]
    shapes += [(channels,), (channels,)]
    return tuple((spread * torch.randn(shape, generator=generator, dtype=dtype)).requires_grad_() for shape in shapes)


def results(function, tensors: Inputs) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    x, h = function(*tensors, 1e-5)
    weights = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)
    return [x, h, *torch.autograd.grad((x * weights + h * weights.cos()).sum(), tensors)]


sizes = {"nodes": st.integers(0, 9), "channels": st.integers(1, 40), "seed": st.integers(0, 2**32)}


@given(**sizes)
@settings(max_examples=40)
def test_equals_its_definition(nodes: int, channels: int, seed: int) -> None:
    tensors = inputs(nodes, channels, seed)
    torch.testing.assert_close(results(gru_norm, tensors), results(gru_norm_definition, tensors), rtol=1e-8, atol=1e-8)


@given(**sizes | {"channels": st.integers(8, 40)})
@settings(max_examples=40)
def test_float32_keeps_five_digits(nodes: int, channels: int, seed: int) -> None:
    tensors = inputs(nodes, channels, seed, torch.float32)
    for fused, plain in zip(results(gru_norm, tensors), results(gru_norm_definition, tensors), strict=True):
        largest = max(1.0, float(plain.detach().abs().max())) if plain.numel() else 1.0
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5 * largest)


def test_is_pytorchs_gru_cell_and_layer_norm() -> None:
    cell, norm = torch.nn.GRUCell(7, 7).double(), torch.nn.LayerNorm(7).double()
    message, state = torch.randn(2, 5, 7, dtype=torch.float64)
    x, h = gru_cell_norm(cell, norm, message, state)
    torch.testing.assert_close(h, cell(message, state))
    torch.testing.assert_close(x, norm(h))


def gru_results(function, tensors: Inputs) -> list[torch.Tensor]:  # type: ignore[no-untyped-def]
    h = function(*tensors)
    weights = torch.linspace(-1, 1, h.numel(), dtype=h.dtype).view_as(h)
    return [h, *torch.autograd.grad((h * weights).sum(), tensors)]


@given(**sizes, precision=st.sampled_from([(torch.float64, 1e-8), (torch.float32, 1e-5)]))
@settings(max_examples=40)
def test_gru_alone_equals_its_definition(
    nodes: int, channels: int, seed: int, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    tensors = inputs(nodes, channels, seed, dtype)[:5]
    torch.testing.assert_close(
        gru_results(gru, tensors), gru_results(gru_definition, tensors), rtol=tolerance, atol=tolerance
    )


def test_gru_cell_is_pytorchs() -> None:
    cell = torch.nn.GRUCell(5, 7).double()
    message, state = torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    torch.testing.assert_close(gru_cell(cell, message, state), cell(message, state))


def test_finite_differences() -> None:
    assert torch.autograd.gradcheck(gru, inputs(4, 3)[:5])
    assert torch.autograd.gradcheck(lambda *tensors: gru_norm(*tensors, 1e-5), inputs(4, 3))


@pytest.mark.parametrize("spread", [1e3, 1e30])
def test_saturated_gates_stay_within_bounds(spread: float) -> None:
    m, g, h, *others = inputs(50, 16, dtype=torch.float32, spread=spread)
    h = torch.randn(50, 16)
    assert gru_norm(m, g, h, *others, 1e-5)[1].abs().max() <= h.abs().max().clamp(min=1)


def test_nan_stays_nan() -> None:
    m, *others = (t.detach() for t in inputs(3, 8, dtype=torch.float32))
    m[1, 0] = torch.nan
    x, h = gru_norm(m, *others, 1e-5)
    assert h[1, 0].isnan()
    assert x[1].isnan().all()
    assert x[[0, 2]].isfinite().all()


def test_non_contiguous_inputs() -> None:
    m, g, h, b, c, gamma, beta = (t.detach() for t in inputs(6, 6))
    strided = c.repeat_interleave(2)[::2]
    mixed = tuple(t.requires_grad_() for t in (m, g.t().contiguous().t(), h.t(), b, strided, gamma, beta.flip(0)))
    torch.testing.assert_close(results(gru_norm, mixed), results(gru_norm_definition, mixed))


def test_unused_state_and_frozen_parameters() -> None:
    m, g, h, *parameters = inputs(4, 5)
    frozen = (m, g, h, *(parameter.detach() for parameter in parameters))
    fused, plain = (
        torch.autograd.grad(f(*frozen, 1e-5)[0].cos().sum(), [m, g, h]) for f in (gru_norm, gru_norm_definition)
    )
    torch.testing.assert_close(fused, plain)
