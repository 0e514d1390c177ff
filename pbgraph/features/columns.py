"""Numbers of whole molecules on one scale, by what training rows show of each column.

    z = Φ⁻¹(mid-rank among the training rows / n),   undefined -> 0;   (z - mean) / SD, cut off at ± 4

A value's mid-rank is the mean of the numbers of smaller ones and of those that are not larger. Columns that do not vary
in the training rows are left out; of those in which one is undefined, a column says which rows are.
Source: van der Waerden 1952 (normal scores). The limit is a choice, which was not searched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

LIMIT = 4.0
LEAST_SD = 1e-6  # of a column that varies


@dataclass(frozen=True, eq=False)
class ColumnScale:
    """Fitted to training rows; `of` fits one.

    known    (K,) the columns that are kept, numbered as they come
    ranked   for each of these, its defined training values, ascending
    marked   (M,) the columns of which it is said which rows are undefined
    mean, sd (K + M,) of the training rows
    """

    columns: int
    known: np.ndarray
    ranked: tuple[np.ndarray, ...]
    marked: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> ColumnScale:
        """The scale of training rows x (n, D) float, NaN = undefined; infinities count as undefined too."""
        x = _defined(x)
        known = np.array([d for d in range(x.shape[1]) if _varies(x[:, d])], dtype=np.int64)
        marked = np.flatnonzero(np.isnan(x).any(0) & ~np.isnan(x).all(0))
        ranked = tuple(np.sort(x[:, d][~np.isnan(x[:, d])]) for d in known)
        raw = _raw(x, known, ranked, marked=marked)
        mean, sd = moments(raw)
        return cls(x.shape[1], known, ranked, marked, mean, sd)

    @property
    def width(self) -> int:
        """Columns that come out."""
        return len(self.mean)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows x (n, D) -> (n, K + M) float32. Raises ValueError for another number of columns."""
        if x.ndim != 2 or x.shape[1] != self.columns:
            raise ValueError(f"features of shape {x.shape}; expected (n, {self.columns})")
        raw = _raw(_defined(x), self.known, self.ranked, marked=self.marked).numpy()
        scaled: np.ndarray = np.clip((raw - self.mean) / self.sd, -LIMIT, LIMIT)
        return scaled.astype(np.float32)

    def state(self) -> dict[str, Any]:
        """All of it, as `pbgraph.files.state_file` keeps it."""
        return {
            "columns": self.columns,
            "known": torch.from_numpy(self.known),
            "ranked": [torch.from_numpy(values) for values in self.ranked],
            "marked": torch.from_numpy(self.marked),
            "mean": torch.from_numpy(self.mean),
            "sd": torch.from_numpy(self.sd),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ColumnScale:
        """What `state` gave. Raises ValueError if the parts do not fit together."""
        scale = cls(
            int(state["columns"]),
            state["known"].numpy(),
            tuple(values.numpy() for values in state["ranked"]),
            state["marked"].numpy(),
            state["mean"].numpy(),
            state["sd"].numpy(),
        )
        numbers = np.concatenate([scale.known, scale.marked])
        fits = len(scale.known) == len(scale.ranked) and len(numbers) == len(scale.mean) == len(scale.sd)
        if not fits or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < scale.columns):
            raise ValueError("the saved scale of the features does not fit together")
        return scale


def moments(raw: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column of (n, D) float64; 1 for what does not vary, so that it divides."""
    mean = raw.sum(0) / len(raw)
    sd = ((raw - mean) ** 2).sum(0).div(len(raw)).sqrt().numpy()
    return mean.numpy(), np.where(sd < LEAST_SD, 1.0, sd)


def _defined(x: np.ndarray) -> np.ndarray:
    """As float64, what is not finite undefined."""
    x = np.asarray(x, dtype=np.float64)
    return np.where(np.isfinite(x), x, np.nan)


def _varies(column: np.ndarray) -> bool:
    defined = column[~np.isnan(column)]
    return len(defined) > 0 and bool((defined != defined[0]).any())


def _raw(x: np.ndarray, known: np.ndarray, ranked: tuple[np.ndarray, ...], *, marked: np.ndarray) -> torch.Tensor:
    """Normal scores of the known columns, then 0 and 1 for the marked ones, (n, K + M) float64."""
    scores = np.zeros((len(x), len(known) + len(marked)))
    for place, (d, values) in enumerate(zip(known, ranked, strict=True)):
        scores[:, place] = _normal_scores(x[:, d], values)
    scores[:, len(known) :] = np.isnan(x[:, marked])
    return torch.from_numpy(scores)


def _normal_scores(column: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) -> (n,): 0 where it is undefined; values: those of the training rows, ascending."""
    from scipy.special import ndtri  # takes a fifth of a second to import

    n = len(values)
    rank = (np.searchsorted(values, column, "left") + np.searchsorted(values, column, "right")) / 2
    scores: np.ndarray = ndtri(np.clip(rank / n, 0.5 / n, 1 - 0.5 / n))
    return np.where(np.isnan(column), 0.0, scores)
