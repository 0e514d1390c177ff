"""LightGBM's text of a model, as somebody else may have written it, reduced to what predictions need and checked.

LightGBM itself trusts such a text: a wrong number of a node ends the process. What it is handed is written anew here
from the parts that were checked; its trees have no categories and no linear leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from pbgraph.errors import DataError
from pbgraph.models.trees import check_children, check_columns

HEADER = {
    "version": r"v[0-9]",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": "0",
    "max_feature_idx": r"[0-9]{1,6}",
    "objective": r"binary sigmoid:1|regression",
}
INTEGERS = ("split_feature", "decision_type", "left_child", "right_child")  # one for each inner node
NUMBERS = {"num_leaves": r"[0-9]{1,6}", "num_cat": "0", "is_linear": "0", "shrinkage": r"[-+.0-9e]{1,30}"}
MOST_TYPES = 15  # of a decision: bits for categories, the side of missing values, and what counts as missing


def checked_text(text: str) -> str:
    """The header and the trees. Raises DataError if there is anything in them that LightGBM does not write."""
    beginning, *blocks = re.split(r"^Tree=[0-9]+$", text.partition("\nend of trees")[0], flags=re.MULTILINE)
    header = _fields(beginning, HEADER)
    columns = int(header["max_feature_idx"]) + 1
    names = " ".join(f"Column_{column}" for column in range(columns))
    lines = ["tree", *(f"{name}={header[name]}" for name in HEADER), f"feature_names={names}"]
    lines += ["feature_infos=" + " ".join(["none"] * columns), ""]
    for number, block in enumerate(blocks):
        lines += [f"Tree={number}", *_tree(block, columns), "", ""]
    return "\n".join([*lines, "end of trees", ""])


def _tree(block: str, columns: int) -> list[str]:
    """The lines of one tree."""
    found = _fields(block, NUMBERS)
    leaves = int(found["num_leaves"])
    lines = [f"num_leaves={leaves}", "num_cat=0"]
    if leaves > 1:
        arrays = {name: _array(found, name, leaves - 1, kind=int) for name in INTEGERS}
        _check_nodes(arrays, leaves, columns)
        _array(found, "threshold", leaves - 1, kind=float)
        lines += [f"{name}={found[name]}" for name in ("threshold", *INTEGERS)]
    _array(found, "leaf_value", leaves, kind=float)
    return [*lines, f"leaf_value={found['leaf_value']}", "is_linear=0", f"shrinkage={found['shrinkage']}"]


def _check_nodes(arrays: Mapping[str, np.ndarray], leaves: int, columns: int) -> None:
    """Inner nodes are numbered from 0; a child -1 - c is leaf c, which is counted on here after the inner nodes."""
    check_columns(arrays["split_feature"], columns)
    inner = np.arange(leaves - 1)
    for child in (arrays["left_child"], arrays["right_child"]):
        if (child >= leaves - 1).any():
            raise DataError("a tree of LightGBM's has a child that is no node")
        check_children(inner, np.where(child < 0, leaves - 2 - child, child), count=2 * leaves - 1)
    types = arrays["decision_type"]
    if ((types < 0) | (types > MOST_TYPES) | (types & 1)).any():
        raise DataError("a tree of LightGBM's splits by categories")


def _fields(block: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The ``name=value`` lines of a block. Raises DataError unless those that are wanted match their patterns."""
    found = dict(line.partition("=")[::2] for line in block.split("\n") if "=" in line)
    for name, pattern in wanted.items():
        if re.fullmatch(pattern, found.get(name, "")) is None:
            raise DataError(f"LightGBM's text says {name}={found.get(name, '')[:40]!r}, which no model saved here has")
    return found


def _array(found: Mapping[str, str], name: str, count: int, *, kind: type) -> np.ndarray:
    """The finite numbers of a line, which must be so many."""
    words = found.get(name, "").split(" ")
    shape = r"-?[0-9]{1,9}" if kind is int else r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[-+]?[0-9]{1,3})?"
    if len(words) != count or not all(re.fullmatch(shape, word) for word in words):
        raise DataError(f"a tree of LightGBM's has {len(words)} words as its {name}, expected {count} numbers")
    values = np.array([kind(word) for word in words], dtype=np.int64 if kind is int else np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"a tree of LightGBM's has a {name} that is not finite")
    return values
