"""Dropout (Srivastava et al. 2014, JMLR 15:1929) that spends 16 random bits on an element, not 64."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """In training each element becomes 0 with probability p, else x / (1 - p); otherwise x itself.

    On the CPU p is rounded to a multiple of 2⁻¹⁶ below 1, in the scale too, so that the expectation stays x. The draws
    come from PyTorch's global generator.
    """
    threshold = min(round(p * 2**16), 2**16 - 1)
    if not training or threshold == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[: x.numel()] >= threshold - 2**15
    return x * (kept.to(x.dtype) * (2**16 / (2**16 - threshold))).view(x.shape)
