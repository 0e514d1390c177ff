"""Features of whole molecules as models take them: with what the labels of similar molecules say, on one scale.

Descriptors beside graphs are scaled too; vectors that an estimator takes are left as they are.

Everything is fitted to training rows, in every run; a saved model keeps it, so that it predicts the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pbgraph.errors import DataError
from pbgraph.features.base import Store
from pbgraph.features.columns import LIMIT, ColumnScale, moments
from pbgraph.features.neighbours import NeighbourLabels
from pbgraph.features.vectors import VectorStore
from pbgraph.graph import GraphStore
from pbgraph.metrics import Kind


@dataclass(frozen=True, eq=False)
class WholeFeatures:
    """What is made of a store's raw columns and fingerprints.

    columns     None where a store has none beside graphs; neighbours: None where it has no fingerprints
    mean, sd    of the neighbours' features over the training rows
    """

    columns: ColumnScale | None
    neighbours: NeighbourLabels | None
    mean: np.ndarray
    sd: np.ndarray

    def __call__(self, store: Store) -> Store:
        """Graphs with features (G, D) float32 without NaN, or vectors with the neighbours' features after their own.

        Raises DataError for a store of other features.
        """
        return self._given(store, None if self.neighbours is None else _similar(self.neighbours, store))

    def _given(self, store: Store, similar: np.ndarray | None) -> Store:
        scaled = None if similar is None else np.clip((similar - self.mean) / self.sd, -LIMIT, LIMIT)
        if isinstance(store, VectorStore) and scaled is not None:
            return store.beside(scaled)
        if not isinstance(store, GraphStore):
            raise DataError(f"the model was trained with graphs, and is given a {type(store).__name__}")
        parts = []
        if self.columns is not None:
            if store.graph_attr is None or store.graph_dim != self.columns.columns:
                raise DataError(
                    f"the model was trained with {self.columns.columns} features of whole molecules, and is given "
                    f"{store.graph_dim}; give it those that it was trained with"
                )
            parts.append(self.columns(store.graph_attr.cpu().numpy()))
        if scaled is not None:
            parts.append(scaled.astype(np.float32))
        return store.with_whole(np.concatenate(parts, axis=1))

    def state(self) -> dict[str, Any]:
        """All of it, as `pbgraph.files.state_file` keeps it."""
        return {
            "columns": self.columns and self.columns.state(),
            "neighbours": self.neighbours and self.neighbours.state(),
            "mean": torch.from_numpy(self.mean),
            "sd": torch.from_numpy(self.sd),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WholeFeatures:
        """What `state` gave. Raises DataError if the parts do not fit together."""
        try:
            return cls(
                state["columns"] and ColumnScale.from_state(state["columns"]),
                state["neighbours"] and NeighbourLabels.from_state(state["neighbours"]),
                state["mean"].numpy(),
                state["sd"].numpy(),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"the saved features are none: {error}; train the model again") from error


def fitted_to(train: Store, kind: Kind) -> tuple[Store, WholeFeatures | None]:
    """Training rows as a model takes them, and what makes the same of other rows; None where there is nothing to do.

    kind  of the tasks, whose labels the neighbours' are
    """
    if not isinstance(train, GraphStore | VectorStore):
        return train, None
    whole = train.graph_attr if isinstance(train, GraphStore) else None
    if whole is None and train.fingerprints is None:
        return train, None
    columns = None if whole is None else ColumnScale.of(whole.cpu().numpy())
    neighbours = None if train.fingerprints is None else NeighbourLabels(train.fingerprints, train.y, kind)
    similar = None if neighbours is None else neighbours.of_training()
    mean = sd = np.zeros(0)
    if similar is not None:
        mean, sd = moments(torch.from_numpy(similar))
    features = WholeFeatures(columns, neighbours, mean, sd)
    return features._given(train, similar), features


def _similar(neighbours: NeighbourLabels, store: Store) -> np.ndarray:
    fingerprints = store.fingerprints if isinstance(store, GraphStore | VectorStore) else None
    if fingerprints is None:
        raise DataError("the model was trained with the labels of neighbours, and is given no fingerprints")
    return neighbours(fingerprints)
