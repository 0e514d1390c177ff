"""The loss of many binary tasks with blank labels. Plain PyTorch, any device.

There is no faster form: a training step in which this loss costs nothing is no shorter that can be told from noise
(benchmarks/README.md).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_cross_entropy(logits: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy over the measured cells; blank cells (NaN) count nowhere.

    logits, y  (G, T);  weights (2, T) or None
    None:     Σ ℓ_gt / number of measured cells
    weights:  mean over tasks of Σ_g v_gt ℓ_gt / Σ_g v_gt, with v_gt = weights[y_gt, t]
    """
    measured = ~torch.isnan(y)
    target = torch.where(measured, y, torch.zeros_like(y))
    cell = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weights is None:
        return (cell * measured).sum() / measured.sum().clamp(min=1)
    value = torch.where(target > 0.5, weights[1], weights[0]) * measured
    per_task = (cell * value).sum(0) / value.sum(0).clamp(min=torch.finfo(value.dtype).tiny)
    return per_task.sum() / measured.any(0).sum().clamp(min=1)
