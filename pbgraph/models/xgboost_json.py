"""XGBoost's JSON of a model, as somebody else may have written it, written anew from what was checked.

XGBoost itself trusts the types and numbers in it: a wrong one ends the process.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from pbgraph.errors import DataError
from pbgraph.models.trees import check_children, check_columns

WHOLE = ("default_left", "left_children", "right_children", "split_indices")
REAL = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
NO_CATEGORIES: dict[str, Any] = {
    name: [] for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")
}
NO_PARENT = 2**31 - 1
LOSSES = {"binary:logistic": "reg_loss_param", "reg:squarederror": "reg_loss_param"}
BASE_SCORE = r"\[?-?[0-9]{1,30}(\.[0-9]{1,30})?(E[-+]?[0-9]{1,2})?\]?"


def checked_json(content: bytes) -> bytes:
    """The same model: one output, trees without categories. Raises DataError for any other."""
    try:
        model = json.loads(content)
        learner = model["learner"]
        sizes, booster = learner["learner_model_param"], learner["gradient_booster"]["model"]
        columns, objective = _number(sizes["num_feature"]), learner["objective"]["name"]
        if objective not in LOSSES or not re.fullmatch(BASE_SCORE, sizes["base_score"]):
            raise ValueError(f"objective {objective!r} or base score {sizes['base_score']!r}")
        trees = [_tree(tree, number, columns) for number, tree in enumerate(booster["trees"])]
        if (sizes["num_class"], sizes["num_target"], set(booster["tree_info"])) != ("0", "1", {0}):
            raise ValueError("it has more than one output")
        version = [_whole(part, 0, 999) for part in model["version"]]
        shared = {"num_class": "0", "num_target": "1", "boost_from_average": "1", "num_feature": str(columns)}
        clean = _model(trees, {**shared, "base_score": sizes["base_score"]}, objective, cats="cats" in booster)
        return json.dumps({"learner": clean, "version": version}, allow_nan=False).encode()
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"it is not the JSON of a model of XGBoost's: {type(error).__name__}: {error}") from error


def _model(trees: list[dict[str, Any]], sizes: dict[str, str], objective: str, *, cats: bool) -> dict[str, Any]:
    """cats: whether the version that wrote it had a place for the categories of columns."""
    booster = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(len(trees) + 1)),
        "tree_info": [0] * len(trees),
        "trees": trees,
    }
    if cats:
        booster["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    return {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": booster, "name": "gbtree"},
        "learner_model_param": sizes,
        "objective": {"name": objective, LOSSES[objective]: {"scale_pos_weight": "1"}},
    }


def _tree(tree: Any, number: int, columns: int) -> dict[str, Any]:
    """A tree whose nodes lead from the first one to leaves. Raises ValueError or DataError for any other."""
    nodes = _number(tree["tree_param"]["num_nodes"])
    if any(tree[name] for name in NO_CATEGORIES) or any(tree["split_type"]):
        raise ValueError("a tree splits by categories")
    whole = {name: [_whole(value, -1, NO_PARENT) for value in tree[name]] for name in WHOLE}
    real = {name: [_real(value) for value in tree[name]] for name in REAL}
    if nodes < 1 or {*map(len, whole.values()), *map(len, real.values())} != {nodes}:
        raise ValueError(f"a tree's arrays have not {nodes} numbers each")
    left, right, used = (np.array(whole[name]) for name in WHOLE[1:])
    if ((left < 0) != (right < 0)).any() or not set(whole["default_left"]) <= {0, 1}:
        raise ValueError("a tree has a node with one child, or no side for missing values")
    inner = np.flatnonzero(left >= 0)
    check_children(inner, left[inner], right[inner], count=nodes)
    check_columns(used, columns)
    if nodes != 2 * len(inner) + 1:
        raise ValueError("a tree has nodes that are nobody's children")
    parents = np.full(nodes, NO_PARENT)
    parents[left[inner]] = parents[right[inner]] = inner
    sizes = {"num_deleted": "0", "num_feature": str(columns), "num_nodes": str(nodes), "size_leaf_vector": "1"}
    rest = {"id": number, "parents": parents.tolist(), "split_type": [0] * nodes, "tree_param": sizes}
    return {**whole, **real, **NO_CATEGORIES, **rest}


def _whole(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _real(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < np.finfo(np.float32).max:
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _number(text: Any) -> int:
    if not (isinstance(text, str) and re.fullmatch("[0-9]{1,9}", text)):
        raise ValueError(f"{text!r} is no number")
    return int(text)
