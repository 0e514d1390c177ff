"""Reductions over segments: rows that belong to the same node or graph. Plain PyTorch, any device."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(values: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Sum of the rows of every segment; an empty segment sums to 0.

    values   (n, ...) float
    segment  (n,) int64 in [0, num_segments)
    Returns (num_segments, ...).

    >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    tensor([1., 0., 6.])
    """
    return values.new_zeros((num_segments, *values.shape[1:])).index_add(0, segment, values)


def segment_mean(values: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Mean of the rows of every segment; an empty segment has mean 0.

    Shapes as in `segment_sum`.
    """
    counts = torch.bincount(segment, minlength=num_segments).clamp(min=1).to(values.dtype)
    return segment_sum(values, segment, num_segments) / counts.view(-1, *[1] * (values.dim() - 1))


def segment_softmax(logits: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Softmax over the rows of every segment, for each column apart.

    p_k = exp(l_k - m_s) / Σ_{k' in s} exp(l_k' - m_s), with m_s the maximum of segment s, so that nothing overflows.

    logits   (n, ...) float
    segment  (n,) int64 in [0, num_segments)
    Returns (n, ...).
    """
    index = segment.view(-1, *[1] * (logits.dim() - 1)).expand_as(logits)
    lowest = logits.new_full((num_segments, *logits.shape[1:]), -torch.inf)
    maximum = lowest.scatter_reduce(0, index, logits.detach(), "amax")
    weights = torch.exp(logits - maximum[segment])
    return weights / segment_sum(weights, segment, num_segments)[segment]
