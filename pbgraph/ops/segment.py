"""Rows that belong to the same node or graph: reductions over such segments, and their spreading out again.

Plain PyTorch, any device. Segments that are consecutive slices are better given with their pointers `ptr`: a GPU that
has to add in one order sorts all rows otherwise, by some twenty kernels for each sum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ONE_HOT = 2**20  # entries of the largest matrix by which a GPU adds up rows of few kinds


def segment_sum(values: Tensor, segment: Tensor, num_segments: int, ptr: Tensor | None = None) -> Tensor:
    """Sum of the rows of every segment; an empty segment sums to 0.

    values   (n, ...) float
    segment  (n,) int64 in [0, num_segments)
    ptr      (num_segments + 1,) int64 if segment s is the rows ptr[s] : ptr[s + 1]
    Returns (num_segments, ...).

    >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    tensor([1., 0., 6.])
    """
    if ptr is None or _on_cpu(values):
        return values.new_zeros((num_segments, *values.shape[1:])).index_add(0, segment, values)
    return _slice_sums(values, ptr)


def segment_mean(values: Tensor, segment: Tensor, num_segments: int, ptr: Tensor | None = None) -> Tensor:
    """Mean of the rows of every segment; an empty segment has mean 0.

    Shapes as in `segment_sum`.
    """
    counts = torch.bincount(segment, minlength=num_segments) if ptr is None else ptr.diff()  # to count, a GPU waits
    counts = counts.clamp(min=1).to(values.dtype).view(-1, *[1] * (values.dim() - 1))
    return segment_sum(values, segment, num_segments, ptr) / counts


def segment_softmax(logits: Tensor, segment: Tensor, num_segments: int, ptr: Tensor | None = None) -> Tensor:
    """Softmax over the rows of every segment, for each column apart.

    p_k = exp(l_k - m_s) / Σ_{k' in s} exp(l_k' - m_s), with m_s the maximum of segment s, so that nothing overflows.

    logits   (n, ...) float
    segment  (n,) int64 in [0, num_segments)
    ptr      as in `segment_sum`
    Returns (n, ...).
    """
    index = segment.view(-1, *[1] * (logits.dim() - 1)).expand_as(logits)
    lowest = logits.new_full((num_segments, *logits.shape[1:]), -torch.inf)
    maximum = lowest.scatter_reduce(0, index, logits.detach(), "amax")
    weights = torch.exp(logits - maximum[segment])
    return weights / spread(segment_sum(weights, segment, num_segments, ptr), segment, ptr)


def segment_max(values: Tensor, segment: Tensor, ptr: Tensor) -> Tensor:
    """Maximum of the rows of every segment, for each column apart; of an empty segment 0.

    values (n, ...) float; segment (n,) int64, ptr (m + 1,) int64: segment s is the rows ptr[s] : ptr[s + 1].
    Where several rows are the largest, the gradient is shared among them. Returns (m, ...).
    """
    index = segment.view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    lowest = values.new_full((len(ptr) - 1, *values.shape[1:]), -torch.inf)
    largest = lowest.scatter_reduce(0, index, values.detach(), "amax")
    chosen = ~(values.detach() < largest[segment])  # all of them where one is NaN, so that NaN stays
    ties = segment_sum(chosen.to(values.dtype), segment, len(ptr) - 1, ptr)
    return segment_sum(torch.where(chosen, values / ties[segment], 0), segment, len(ptr) - 1, ptr)


def spread(x: Tensor, index: Tensor, ptr: Tensor | None = None) -> Tensor:
    """The rows x[index] (n, ...) of x (m, ...), index (n,) int64 in [0, m).

    ptr  (m + 1,) int64 if row r goes to the places ptr[r] : ptr[r + 1]
    """
    if _on_cpu(x) or not x.requires_grad:
        return x[index]
    return _Spread.apply(x, index, ptr)  # type: ignore[no-any-return, no-untyped-call]


def _on_cpu(values: Tensor) -> bool:
    return values.device.type == "cpu"


def _slice_sums(values: Tensor, ptr: Tensor) -> Tensor:
    """(n, ...) -> (m, ...), the sums of values[ptr[s] : ptr[s + 1]]."""
    sums: Tensor = torch.segment_reduce(values.contiguous(), "sum", offsets=ptr, unsafe=True, initial=0.0)
    return sums


class _Spread(torch.autograd.Function):
    """x[index], the gradient of which is added in one order with a single sort at the most."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, ptr: Tensor | None) -> Tensor:
        ctx.save_for_backward(index, ptr)
        ctx.rows = len(x)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, None, None]:
        index, ptr = ctx.saved_tensors
        if ptr is not None:
            return _slice_sums(d_y, ptr), None, None
        rows = torch.arange(ctx.rows, device=index.device)
        if ctx.rows * len(index) <= ONE_HOT:
            chosen = (rows.unsqueeze(1) == index).to(d_y.dtype)
            return (chosen @ d_y.flatten(1)).view(ctx.rows, *d_y.shape[1:]), None, None
        ordered, order = torch.sort(index, stable=True)
        starts = torch.searchsorted(ordered, torch.arange(ctx.rows + 1, device=index.device))
        return _slice_sums(d_y.index_select(0, order), starts), None, None
