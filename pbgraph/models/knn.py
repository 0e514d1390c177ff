"""Labels of the nearest neighbours, weighted by similarity (Dudani 1976, doi:10.1109/TSMC.1976.5408784).

    score = (Σ_j S_jᵖ y_j + c m) / (Σ_j S_jᵖ + c),   j: the k nearest training molecules with a label of the task

S is the Tanimoto similarity of bits, those in common among those of either; of `ecfp4-counts` it is
Σ min(a, b) / Σ max(a, b) of counts up to three. m is the mean label of the task. Of equally similar ones the first in
the training rows' order is the nearer. The paper weighs by ranked distance; here, as is usual for molecules, by S.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from pbgraph.errors import DataError, UsageError
from pbgraph.features.neighbours import NEAR, POWER_NEAR, PRIOR_NEAR, nearest_labels, similarities
from pbgraph.fields import check_least, check_positive
from pbgraph.models.base import Estimator, FittedEstimator
from pbgraph.ops.overlap import BitRows
from pbgraph.spaces import Real, Whole

CELLS = 2**21  # similarities that are in memory at a time
LOOK = 8  # times as many neighbours as are wanted are looked at first: some are not measured


@dataclass(frozen=True)
class KnnConfig:
    """Hyper-parameters; the defaults are the weights of column "nearest" in `pbgraph.features.neighbours`.

    neighbours  k, measured training molecules that have a say
    power       p of the similarity, a whole number
    prior       c, weight of the task's mean label
    """

    neighbours: int = NEAR
    power: int = POWER_NEAR
    prior: float = PRIOR_NEAR

    def __post_init__(self) -> None:
        check_least(self, 1, "neighbours", "power")
        check_positive(self, "prior")


@dataclass(frozen=True, eq=False)
class Known:
    """Training molecules as they are kept.

    packed  (n, B) uint8, eight bits to the byte
    columns  bits there were
    y       (n, T) float32, NaN = not measured
    unmeasured  score of a task without any measured row
    """

    packed: np.ndarray
    columns: int
    y: np.ndarray
    unmeasured: float
    config: KnnConfig

    @cached_property
    def _rows(self) -> BitRows:
        return BitRows.of(self.packed)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Bits (m, D) -> scores (m, T) float64. Raises DataError for other columns than those of training."""
        if x.shape[1] != self.columns:
            raise DataError(f"the model knows molecules of {self.columns} bits, and is given {x.shape[1]}")
        scores = np.empty((len(x), self.y.shape[1]))
        rows = max(1, CELLS // len(self.packed))
        for some, similar in similarities(_packed(x), self._rows, rows=rows):
            order = np.argsort(-similar, axis=1, kind="stable")
            for task, labels in enumerate(self.y.T):
                scores[some, task] = self._of_task(similar, order, labels)
        return scores

    def _of_task(self, similar: np.ndarray, order: np.ndarray, labels: np.ndarray) -> np.ndarray | float:
        """Similarities (b, n) and the order that they give -> (b,)."""
        measured = ~np.isnan(labels)
        if not measured.any():
            return self.unmeasured
        wanted, look = min(self.config.neighbours, int(measured.sum())), LOOK * self.config.neighbours
        while (measured[order[:, :look]].sum(axis=1) < wanted).any():
            look *= LOOK
        order = order[:, :look]
        known = labels[measured].astype(np.float64)
        y, there = (torch.from_numpy(one[order][:, :, None]) for one in (_filled(labels), measured.astype(np.float64)))
        mean = torch.tensor([known.mean()], dtype=torch.float64)
        found = nearest_labels(np.take_along_axis(similar, order, axis=1), y, there, mean, **asdict(self.config))
        return np.asarray(np.clip(found[:, 0].numpy(), known.min(), known.max()))  # which rounding may pass

    def state(self) -> dict[str, Any]:
        """All of it, as `pbgraph.files.state_file` keeps it."""
        return {
            "packed": torch.from_numpy(self.packed),
            "columns": self.columns,
            "y": torch.from_numpy(self.y),
            "unmeasured": self.unmeasured,
            "config": asdict(self.config),
        }


def fit_classifier(x: np.ndarray, y: np.ndarray, config: KnnConfig, seed: int) -> FittedEstimator:
    """Keep the training molecules: x (n, D) bits, y (n, T), NaN = not measured. `seed` changes nothing.

    A task without any measured row gets 0.5. The size of the model is the number of labels that it keeps.
    Raises UsageError for features that are no bits.
    """
    return _keep(x, y, config, 0.5)


def fit_regressor(x: np.ndarray, y: np.ndarray, config: KnnConfig, seed: int) -> FittedEstimator:
    """As `fit_classifier`, for targets y; a task without any measured row gets 0."""
    return _keep(x, y, config, 0.0)


def _keep(x: np.ndarray, y: np.ndarray, config: KnnConfig, unmeasured: float) -> FittedEstimator:
    known = Known(_packed(x), x.shape[1], y.astype(np.float32), unmeasured, config)
    return FittedEstimator(known.predict, int((~np.isnan(y)).sum()), known.state)


def restore(state: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The prediction function, from the training molecules. Raises DataError if they do not fit together."""
    packed, y, columns = state["packed"].numpy(), state["y"].numpy(), state["columns"]
    fits = packed.ndim == y.ndim == 2 and 0 < len(packed) == len(y) and packed.shape[1] == -(-columns // 8)
    if not fits or (packed.dtype, y.dtype) != (np.uint8, np.float32):
        raise DataError(
            f"the saved training molecules do not fit together: bits {packed.dtype} {packed.shape} of {columns} "
            f"columns, labels {y.dtype} {y.shape}"
        )
    return Known(packed, columns, y, state["unmeasured"], KnnConfig(**state["config"])).predict


def _filled(labels: np.ndarray) -> np.ndarray:
    return np.nan_to_num(labels.astype(np.float64), nan=0.0)


def _packed(x: np.ndarray) -> np.ndarray:
    bits = x == 1
    if not (bits | (x == 0)).all():
        raise UsageError("knn compares bits, and is given other numbers; give it ecfp4-counts or ecfp4")
    return np.packbits(bits, axis=1)


KNN = Estimator(
    name="knn",
    version=1,
    config=KnnConfig,
    fit_classifier=fit_classifier,
    source="doi:10.1109/TSMC.1976.5408784; weights by Tanimoto similarity",
    featuriser="ecfp4-counts",
    fit_regressor=fit_regressor,
    bits_alone=True,
    restore=restore,
    space={
        "neighbours": Whole(1, 32, log=True),
        "power": Whole(1, 8),
        "prior": Real(0.01, 1.0, log=True),
    },
)
