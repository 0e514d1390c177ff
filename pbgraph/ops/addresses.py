"""Arrays of any number in one call of a compiled loop: handed over by address, each with its sizes.

A kernel's arrays are as many as its arguments. Where there are more, a loop is given where each begins. The tensors are
looked at here, so that addresses and sizes are theirs; whoever hands them on keeps the tensors until the loop is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def addresses(tensors: Sequence[Tensor]) -> np.ndarray:
    """(n,) int64: where the numbers of CPU tensors begin.

    Raises ValueError for a tensor that is not contiguous.
    """
    if not all(tensor.is_contiguous() for tensor in tensors):
        raise ValueError("a loop was to be handed a tensor whose numbers do not lie in a row: make it contiguous first")
    return np.array([tensor.data_ptr() for tensor in tensors], np.int64)


@lru_cache
def like(dtype: torch.dtype) -> Tensor:
    """(1,): one number of this type, for a loop that is to know the type alone."""
    return torch.zeros(1, dtype=dtype)


@lru_cache
def columns(shapes: tuple[torch.Size, ...], axes: tuple[int, ...]) -> int:
    """How many columns tensors of these sizes have together."""
    return int(sizes(shapes, axes)[:, 1].sum())


@lru_cache
def sizes(shapes: tuple[torch.Size, ...], axes: tuple[int, ...]) -> np.ndarray:
    """(n, 3) int64, not to be written to: of each tensor sizes B, C, L before its axis of columns, of it, and after it.

    axes  counted from the last one, -1
    """
    table = np.zeros((len(shapes), 3), np.int64)
    for row, shape, axis in zip(table, shapes, axes, strict=True):
        row[:] = shape[:axis].numel(), shape[axis], shape[axis + 1 :].numel() if axis != -1 else 1
    return table
