"""The masked loss against scikit-learn, PyTorch and a loop over cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from torch.nn import functional as F

from pbgraph.ops.loss import masked_cross_entropy

NAN = float("nan")


def test_plain_loss_is_the_mean_over_measured_cells() -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=torch.float64)
    y = torch.tensor([[1.0, NAN], [0.0, 1.0]], dtype=torch.float64)
    expected = log_loss([1, 0, 1], torch.sigmoid(torch.tensor([0.3, 2.0, 0.5], dtype=torch.float64)).numpy())
    assert masked_cross_entropy(logits, y).item() == pytest.approx(expected, rel=1e-12)


def test_blank_cells_have_no_influence_and_no_gradient() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    y = torch.full((4, 3), NAN)
    y[0, 0] = 1.0
    for weights in (None, torch.rand(2, 3) + 0.5):
        (gradient,) = torch.autograd.grad(masked_cross_entropy(logits, y, weights), logits)
        assert gradient[0, 0] != 0
        assert gradient.count_nonzero() == 1


def test_all_blank_batch_gives_zero_not_nan() -> None:
    y = torch.full((2, 3), NAN)
    assert masked_cross_entropy(torch.randn(2, 3), y).item() == 0
    assert masked_cross_entropy(torch.randn(2, 3), y, torch.ones(2, 3)).item() == 0


def test_weighted_loss_agrees_with_torch_cross_entropy_on_two_logits() -> None:
    torch.manual_seed(0)
    two_logits = torch.randn(10, 2, dtype=torch.float64)
    target, weights = torch.randint(0, 2, (10,)), torch.tensor([1.2, 6.0], dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(two_logits, target, weight=weights)
    difference = (two_logits[:, 1] - two_logits[:, 0])[:, None]
    ours = masked_cross_entropy(difference, target[:, None].double(), weights[:, None])
    assert torch.allclose(ours, expected, rtol=1e-12)


@given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40)
def test_is_a_loop_over_measured_cells(graphs: int, tasks: int, weighted: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(graphs, tasks, generator=generator, dtype=torch.float64)
    y = torch.tensor([0.0, 1.0, NAN], dtype=torch.float64)[torch.randint(0, 3, (graphs, tasks), generator=generator)]
    weights = torch.rand(2, tasks, generator=generator, dtype=torch.float64) + 0.5 if weighted else None
    means, cells = [], []
    for t in range(tasks):
        rows = [g for g in range(graphs) if not y[g, t].isnan()]
        losses = [F.softplus(-logits[g, t] if y[g, t] == 1 else logits[g, t]) for g in rows]
        values = [1.0 if weights is None else weights[int(y[g, t]), t] for g in rows]
        cells += losses
        if rows:
            means.append(sum(v * loss for v, loss in zip(values, losses, strict=True)) / sum(values))
    parts = means if weighted else cells
    expected = sum(parts) / max(len(parts), 1)
    assert float(masked_cross_entropy(logits, y, weights)) == pytest.approx(float(expected), rel=1e-10)


def test_finite_differences() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0, 1, NAN], [NAN, NAN, NAN], [1, 1, NAN], [0, 0, NAN]], dtype=torch.float64)
    for weights in (None, torch.rand(2, 3, dtype=torch.float64) + 0.5):
        assert torch.autograd.gradcheck(lambda values, w=weights: masked_cross_entropy(values, y, w), logits)
