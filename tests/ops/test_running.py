"""The fused merging of moments is its definition, bit for bit."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pbgraph.ops.kernels import definitions_only
from pbgraph.ops.running import gradients, gradients_definition, take_in, take_in_definition


def state(channels: int, generator: torch.Generator) -> list[Tensor]:
    """running, mean, sums, batch mean, batch sums, patterns before and of the batch."""
    rows = [torch.randn(n, channels, generator=generator, dtype=torch.float64) for n in (5, 2, 3, 2, 3)]
    counts = torch.randint(1, 99, (2, channels), generator=generator).double()
    rows[0][2:4].abs_()
    return [*rows, counts[0] - 1, counts[1]]


@given(st.integers(0, 40), st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 0.99]))
@settings(max_examples=60)
def test_a_batch_is_taken_in_as_by_definition(channels: int, seed: int, keep: float) -> None:
    results = []
    for function in (take_in, take_in_definition):
        running, mean, sums, *batch, before, patterns = state(channels, torch.Generator().manual_seed(seed))
        function(running, (mean, sums), batch, before=before, patterns=patterns, keep=keep)
        results.append((running, mean, sums))
    assert all(map(torch.equal, *results))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 7)), min_size=1, max_size=4),
    st.integers(0, 2**32),
    st.sampled_from([None, 1e-6, 0.5]),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=60)
def test_gradients_are_those_of_the_definition(
    shapes: list[tuple[int, int, int]], seed: int, floor: float | None, dtype: torch.dtype
) -> None:
    random = torch.Generator().manual_seed(seed)
    running, *_, patterns = state(sum(channels for _, channels, _ in shapes), random)
    for row in range(2, 5):  # where a neuron does not move, or has no error
        running[row, row - 2 :: 5] = 0
    errors = [torch.randn(shape, generator=random, dtype=dtype) for shape in shapes]
    errors[-1] = errors[-1].movedim(1, -1)
    starts = [sum(channels for _, channels, _ in shapes[:i]) for i in range(len(shapes))]
    places = {"axes": [-2] * (len(shapes) - 1) + [-1], "starts": starts, "floor": floor}
    expected = gradients_definition(running, patterns, errors, **places)
    found = gradients(running, patterns, errors, **places)
    assert all(map(torch.equal, found, expected))
    assert all(one.isfinite().all() and one.dtype == dtype for one in found)


def test_gradients_by_hand() -> None:
    running = torch.tensor([[1.0, 1.0], [2.0, 3.0], [4.0, 1e-8], [9.0, 1.0], [0.5, -0.5]], dtype=torch.float64)
    patterns = torch.tensor([10.0, 5.0], dtype=torch.float64)
    error = torch.tensor([[3.0, 5.0]], dtype=torch.float64)
    for floor, expected in ((None, [-1 / 10, 2 / 5]), (0.01, [-1 / 6 / 10, 2 / 0.01 / 5])):
        (found,) = gradients(running, patterns, [error], axes=[-1], starts=[0], floor=floor)
        assert found.tolist() == [pytest.approx(expected, rel=1e-12)]


def test_columns_that_there_are_not_are_refused() -> None:
    running, *_, patterns = state(4, torch.Generator())
    for start in (-1, 2):
        with pytest.raises(ValueError, match="are more than 4"):
            gradients(running, patterns, [torch.ones(2, 3)], axes=[-1], starts=[start], floor=None)


def test_batches_add_up_to_the_moments_of_all_patterns() -> None:
    x = torch.randn(2, 90, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    running, mean, sums = (torch.zeros(rows, 1, dtype=torch.float64) for rows in (5, 2, 3))
    with definitions_only():
        for start, end in ((0, 40), (40, 90)):
            part = x[:, start:end]
            off = part - part.mean(1, keepdim=True)
            batch = part.mean(1), torch.stack([(off[i] * off[k]).sum(0) for i, k in ((0, 0), (1, 1), (0, 1))])
            counts = [torch.tensor([float(count)], dtype=torch.float64) for count in (start, end - start)]
            take_in(running, (mean, sums), batch, before=counts[0], patterns=counts[1], keep=0.5 if start else 0.0)
    off = x - x.mean(1, keepdim=True)
    torch.testing.assert_close(mean, x.mean(1))
    torch.testing.assert_close(sums[2, 0], (off[0] * off[1]).sum())
    halves = x[0, :40].mean(), x[0, 40:].mean()
    assert math.isclose(running[0, 0], sum(halves) / 2, rel_tol=1e-12)
