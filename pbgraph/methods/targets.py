"""Targets of regression: scaled for training, by statistics of the training rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TargetScale:
    """z = (y - mean) / std of each task, by which networks of any task learn at the same rate.

    mean, std  (T,) float32, of the measured cells of the training rows; a task that is constant or was never measured
               has std 1
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray) -> TargetScale:
        """From the training rows' y (n, T), NaN = not measured."""
        cells = np.ma.masked_invalid(y.astype(np.float64))
        std = cells.std(0).filled(0.0)
        return cls(cells.mean(0).filled(0.0).astype(np.float32), np.where(std > 0, std, 1.0).astype(np.float32))

    def standardised(self, y: Tensor) -> Tensor:
        """y (G, T) -> z, on the same device."""
        mean, std = (torch.from_numpy(values).to(y.device) for values in (self.mean, self.std))
        return (y - mean) / std

    def restored(self, z: np.ndarray) -> np.ndarray:
        """z (n, T) -> y, in the units of the targets."""
        y: np.ndarray = z * self.std + self.mean
        return y


def masked_squared_error(predictions: Tensor, y: Tensor) -> Tensor:
    """Σ (prediction - y)² / number of measured cells; blank cells (NaN) count nowhere.

    predictions, y  (G, T)
    """
    measured = ~torch.isnan(y)
    error = torch.where(measured, predictions - y, torch.zeros_like(predictions))
    return error.square().sum() / measured.sum().clamp(min=1)
