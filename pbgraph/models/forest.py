"""A forest as plain arrays: kept without pickles, and read again to predict the same numbers, bit for bit.

All trees' nodes stand in one array after another:

    left, right  (N,) int32, numbers of the children; left is -1 for a leaf
    feature      (N,) int32, column that an inner node asks for
    threshold    (N,) float64: a row whose column is at most this goes left
    value        (N,) float64, what a leaf says: the share of class 1, or the mean target
    roots        (trees,) int32
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from pbgraph.errors import DataError
from pbgraph.models.per_task import Predict
from pbgraph.models.trees import check_children, check_columns
from pbgraph.ops.kernels import machine_code

KINDS = {
    "left": "int32",
    "right": "int32",
    "feature": "int32",
    "threshold": "float64",
    "value": "float64",
    "roots": "int32",
}


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
    """x (m, D) uint8 or float32 -> mean over trees, added up in their order as scikit-learn does.

    Raises DataError, here or in the prediction, if the arrays are no forest on D columns.
    """
    arrays = [state[name].numpy() for name in KINDS]
    _check(dict(zip(KINDS, arrays, strict=True)))
    used = arrays[2][arrays[0] >= 0]

    def predict(x: np.ndarray) -> np.ndarray:
        check_columns(used, x.shape[1])
        out = np.zeros(len(x))
        kind = np.uint8 if x.dtype == np.uint8 else np.float32
        _descend(np.dtype(kind).name)(np.ascontiguousarray(x, dtype=kind), *arrays, out)
        return out / len(arrays[-1])

    return predict


def _check(arrays: dict[str, np.ndarray]) -> None:
    """Raises DataError unless these are a forest, whose nodes lead from the roots to leaves."""
    for name, kind in KINDS.items():
        if arrays[name].dtype != kind or arrays[name].ndim != 1:
            raise DataError(
                f"the forest's {name} are {arrays[name].dtype} {arrays[name].shape}, expected one axis of {kind}"
            )
    left, roots = arrays["left"], arrays["roots"]
    if len({len(arrays[name]) for name in KINDS if name != "roots"}) > 1 or not len(roots):
        raise DataError("the forest's arrays differ in their numbers of nodes, or it has no tree")
    if ((roots < 0) | (roots >= len(left))).any() or not np.isfinite(arrays["value"]).all():
        raise DataError("the forest has a root that is no node, or a value that is not finite")
    inner = np.flatnonzero(left >= 0)
    check_children(inner, left[inner], arrays["right"][inner], count=len(left))


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


@lru_cache(maxsize=2)
def _descend(kind: str) -> Callable[..., None]:
    """The loop in machine code for features of this type; its sums keep their order."""
    from numba import types

    arrays = [types.Array(getattr(types, name), 1, "C") for name in KINDS.values()]
    signature = (types.Array(getattr(types, kind), 2, "C"), *arrays, types.Array(types.float64, 1, "C"))
    return machine_code(_loop, signature, fastmath=False)
