"""What is handed to loops by address is what the tensors are."""

from __future__ import annotations

import pytest
import torch

from pbgraph.ops.addresses import addresses, sizes


def test_sizes_are_counted_before_and_after_the_axis_of_columns() -> None:
    shapes = (torch.Size((2, 3, 4, 5)), torch.Size((2, 3, 4, 5)), torch.Size((7,)), torch.Size((0, 4)))
    assert sizes(shapes, (-3, -1, -1, -2)).tolist() == [[2, 3, 20], [24, 5, 1], [1, 7, 1], [1, 0, 4]]


def test_a_tensor_whose_numbers_do_not_lie_in_a_row_is_refused() -> None:
    tensor = torch.zeros(3, 2)
    assert addresses([tensor, tensor[1:]]).tolist() == [tensor.data_ptr(), tensor.data_ptr() + 8]
    with pytest.raises(ValueError, match="contiguous first"):
        addresses([tensor.t()])
