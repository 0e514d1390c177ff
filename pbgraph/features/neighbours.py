"""What the labels of the most similar training molecules say of a molecule.

S is the Tanimoto similarity of circular neighbourhoods up to radius 2, counted up to three times:
Σ min(a, b) / Σ max(a, b). For every target, over the training rows j in which it was measured, m being their mean:

    all      (Σ_j S_j⁸ y_j + 0.05 m) / (Σ_j S_j⁸ + 0.05)
    nearest  the same with S⁴ and 0.1, over the 8 most similar (measured ones among the 64 most similar)

of classification as logits, cut off at ± 9.2; then the largest, the 3rd and the 8th largest S. A training row sees
neither itself nor rows of the same parent compound. They are labels, so this is fitted to training rows in every run,
and never kept in a cache.

The m of a training row is the mean of the others that it may see, so it tells a little of the row's own label, one
value for all positives and another for all negatives, which matters only for rows without similar neighbours. Where
rows tie for a place among the most similar, the order of the training rows decides.
Source: Rogers & Hahn 2010, doi:10.1021/ci100050t (fingerprints). Powers, priors and numbers of neighbours are a choice,
which was not searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from pbgraph.metrics import Kind
from pbgraph.molecules import Fingerprints
from pbgraph.ops.overlap import BitRows, largest, tanimoto

POWER_ALL, PRIOR_ALL = 8, 0.05
POWER_NEAR, PRIOR_NEAR = 4, 0.1
NEAR, LOOKED_AT = 8, 64
PLACES = (1, 3, 8)  # of the similarities that are features themselves
LEAST = 1e-4  # probability, and 1 - LEAST the largest
BLOCK = 512  # rows whose similarities are in memory at a time
CACHED = 16  # rows of them that are worked on at a time


@dataclass(frozen=True, eq=False)
class NeighbourLabels:
    """Training molecules with their labels.

    y  (n, T) float32, NaN = not measured
    """

    fingerprints: Fingerprints
    y: np.ndarray
    kind: Kind

    @property
    def width(self) -> int:
        """Columns that come out: two for each target, and the similarities."""
        return 2 * int(self.y.shape[1]) + len(PLACES)

    @cached_property
    def _rows(self) -> BitRows:
        return BitRows.of(self.fingerprints.packed)

    @cached_property
    def _labels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, T) float64: labels, 0 where not measured; and 1 where measured, else 0."""
        measured = ~np.isnan(self.y)
        values = np.where(measured, self.y, 0.0).astype(np.float64)
        return torch.from_numpy(values), torch.from_numpy(measured.astype(np.float64))

    def of_training(self) -> np.ndarray:
        """(n, 2 T + 3) float64 of the training rows themselves, each without rows of its own parent compound."""
        return self._features(self.fingerprints, hide=True)

    def __call__(self, fingerprints: Fingerprints) -> np.ndarray:
        """(m, 2 T + 3) float64 of other molecules."""
        return self._features(fingerprints, hide=False)

    def _features(self, fingerprints: Fingerprints, *, hide: bool) -> np.ndarray:
        blocks = []
        for rows, similar in similarities(fingerprints.packed, self._rows, rows=BLOCK):
            if hide:
                similar[fingerprints.parent[rows, None] == self.fingerprints.parent[None, :]] = -1.0
            blocks.append(self._of_block(similar))
        return np.concatenate(blocks) if blocks else np.empty((0, self.width))

    def _of_block(self, similar: np.ndarray) -> np.ndarray:
        """Similarities (b, n), -1 for rows that are not to be seen -> (b, 2 T + 3)."""
        values, there = self._labels
        open_to = torch.from_numpy((similar >= 0).astype(np.float64))
        mean = (open_to @ values) / (open_to @ there).clamp(min=1)
        weight = _weights(similar)
        over_all = (weight @ values + PRIOR_ALL * mean) / (weight @ there + PRIOR_ALL)
        few = min(LOOKED_AT, similar.shape[1])
        order = largest(similar, few)
        nearest = np.take_along_axis(similar, order, axis=1)
        near = nearest_labels(nearest, values[order], there[order], mean)
        places = [nearest[:, min(place, few) - 1].clip(min=0.0) for place in PLACES]
        labels = torch.cat([over_all, near], dim=1)
        if self.kind == "classification":
            labels = torch.logit(labels.clamp(LEAST, 1 - LEAST))
        return np.column_stack([labels.numpy(), *places])

    def state(self) -> dict[str, Any]:
        """All of it, as `pbgraph.files.state_file` keeps it."""
        return {
            "packed": torch.from_numpy(self.fingerprints.packed),
            "parent": torch.from_numpy(self.fingerprints.parent),
            "y": torch.from_numpy(self.y),
            "kind": self.kind,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> NeighbourLabels:
        """What `state` gave. Raises ValueError if the parts do not fit together."""
        fingerprints, y = Fingerprints(state["packed"].numpy(), state["parent"].numpy()), state["y"].numpy()
        if y.ndim != 2 or not len(fingerprints) == len(fingerprints.parent) == len(y):
            raise ValueError("the saved training molecules do not fit together")
        return cls(fingerprints, y, state["kind"])


def similarities(packed: np.ndarray, to: BitRows, *, rows: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Tanimoto similarities of packed bits (m, B) uint8 to others (n, B), so many rows at a time.

    Yields which rows, and theirs (rows, n) float64; two molecules without any bit are not similar, 0.
    """
    for start in range(0, len(packed), rows):
        some = slice(start, min(start + rows, len(packed)))
        yield some, tanimoto(packed[some], to)


def nearest_labels(
    similar: np.ndarray,
    y: torch.Tensor,
    there: torch.Tensor,
    mean: torch.Tensor,
    *,
    neighbours: int = NEAR,
    power: int = POWER_NEAR,
    prior: float = PRIOR_NEAR,
) -> torch.Tensor:
    """(Σ_j S_jᵖ y_j + prior · m) / (Σ_j S_jᵖ + prior) over the first so many neighbours j that are measured: (b, T).

    similar   (b, L) S of L neighbours, the most similar first; -1 for one that is not to be seen
    y, there  (b, L, T) their labels, 0 where not measured, and 1 where measured, else 0
    mean      m (b, T), or what broadcasts to it
    """
    weight = _power(torch.from_numpy(np.maximum(similar, 0.0)), power)[:, :, None]
    counted = there * torch.from_numpy(similar >= 0)[:, :, None]
    counted = counted * (counted.cumsum(1) <= neighbours)
    return ((weight * counted * y).sum(1) + prior * mean) / ((weight * counted).sum(1) + prior)


def _weights(similar: np.ndarray) -> torch.Tensor:
    """Similarities (b, n) to POWER_ALL, 0 for rows not to be seen; a few rows at a time, which a cache holds."""
    weight = torch.empty(similar.shape, dtype=torch.float64)
    for start in range(0, len(similar), CACHED):
        some = slice(start, start + CACHED)
        weight[some] = _power(torch.from_numpy(np.maximum(similar[some], 0.0)), POWER_ALL)
    return weight


def _power(x: torch.Tensor, exponent: int) -> torch.Tensor:
    """x to a whole power from 1 up, by squaring: the same bits on every processor."""
    if exponent == 1:
        return x
    half = _power(x * x, exponent // 2)
    return half * x if exponent % 2 else half
