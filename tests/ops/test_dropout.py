"""Dropout: its probability, expectation, gradient and reproducibility."""

from __future__ import annotations

import pytest
import torch

from pbgraph.ops.dropout import dropout


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_probability_and_scale(p: float) -> None:
    torch.manual_seed(0)
    n = 400_003  # no multiple of four
    y = dropout(torch.ones(n), p, True)
    assert abs(float((y == 0).double().mean()) - p) < 5 * (p * (1 - p) / n) ** 0.5
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - p)]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.3, 0.7, 1 / 3, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_scale_is_that_of_the_probability_that_is_drawn_with(p: float, dtype: torch.dtype) -> None:
    """16 bits an element cannot say 0.1; what is kept with probability k / 2¹⁶ is divided by just that."""
    torch.manual_seed(0)
    kept = (2**16 - round(p * 2**16)) / 2**16
    assert kept != 1 - p
    y = dropout(torch.ones(40_000, dtype=dtype), p, True)
    assert y[y != 0].unique().tolist() == [torch.tensor(1 / kept, dtype=dtype).item()]


@pytest.mark.parametrize("p", [1 - 2**-16, 1 - 2**-18, 0.999_999_9])
def test_a_probability_near_one_leaves_the_least_that_can_be_said(p: float) -> None:
    torch.manual_seed(0)
    y = dropout(torch.ones(400_000), p, True)
    assert y[y != 0].unique().tolist() == [2.0**16]


def test_elements_are_independent() -> None:
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(100_000, 4), 0.5, True) == 0).double()
    assert (torch.corrcoef(dropped.t()) - torch.eye(4)).abs().max() < 0.02
    assert abs(float(torch.corrcoef(torch.stack([dropped[:-1, 0], dropped[1:, 0]]))[0, 1])) < 0.02


def test_gradient_is_the_mask() -> None:
    x = torch.randn(50, 3, requires_grad=True)
    y = dropout(x, 0.5, True)
    y.sum().backward()
    torch.testing.assert_close(y, x * x.grad)


def test_same_seed_same_mask() -> None:
    masks = []
    for _ in range(2):
        torch.manual_seed(7)
        masks.append(dropout(torch.ones(99), 0.3, True))
    assert torch.equal(*masks)
    assert not torch.equal(masks[0], dropout(torch.ones(99), 0.3, True))


def test_evaluation_and_zero_probability_change_nothing() -> None:
    x = torch.randn(5)
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x
    assert dropout(torch.ones(0, 3), 0.5, True).shape == (0, 3)
