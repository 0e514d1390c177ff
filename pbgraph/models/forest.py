"""A forest as plain arrays: kept without pickles, and read again to predict the same numbers, bit for bit.

All trees' nodes stand in one array after another:

    left, right  (N,) int32, numbers of the children; left is -1 for a leaf
    feature      (N,) int32, column that an inner node asks for
    threshold    (N,) float64: a row whose column is at most this goes left
    value        (N,) float64, what a leaf says: the share of class 1, or the mean target
    roots        (trees,) int32
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch

from pbgraph.models.per_task import Predict


def forest_state(forest: Any, *, classes: bool) -> dict[str, Any]:
    """The arrays of a fitted forest of scikit-learn; classes: whether it tells class 1 from class 0."""
    trees = [tree.tree_ for tree in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    arrays = {
        "left": np.concatenate([_moved(tree.children_left, root) for tree, root in zip(trees, roots, strict=True)]),
        "right": np.concatenate([_moved(tree.children_right, root) for tree, root in zip(trees, roots, strict=True)]),
        "feature": np.concatenate([tree.feature for tree in trees]).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "value": np.concatenate([tree.value[:, 0, 1 if classes else 0] for tree in trees]),
        "roots": roots.astype(np.int32),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _moved(children: np.ndarray, root: int) -> np.ndarray:
    return np.where(children < 0, -1, children + root).astype(np.int32)


def forest_predictor(state: Any) -> Predict:
    """x (m, D) uint8 or float32 -> mean over trees, added up in their order as scikit-learn does."""
    names = ("left", "right", "feature", "threshold", "value", "roots")
    arrays = [state[name].numpy() for name in names]

    def predict(x: np.ndarray) -> np.ndarray:
        out = np.zeros(len(x))
        _descend(np.ascontiguousarray(x, dtype=np.uint8 if x.dtype == np.uint8 else np.float32), *arrays, out)
        return out / len(arrays[-1])

    return predict


def _loop(
    x: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    value: np.ndarray,
    roots: np.ndarray,
    out: np.ndarray,
) -> None:
    for row in range(len(x)):
        for root in roots:
            node = root
            while left[node] >= 0:
                node = left[node] if x[row, feature[node]] <= threshold[node] else right[node]
            out[row] += value[node]


_descend: Any = numba.njit(cache=True)(_loop)
