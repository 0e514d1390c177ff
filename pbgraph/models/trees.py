"""Trees as arrays that somebody else may have written: checked before anything follows them from node to node."""

from __future__ import annotations

import numpy as np

from pbgraph.errors import DataError


def check_children(inner: np.ndarray, *children: np.ndarray, count: int) -> None:
    """Raises DataError unless every inner node's children are nodes, its own alone, and have higher numbers than it.

    inner     (K,) numbers of the inner nodes; children: (K,) of the left, then of the right ones
    count     nodes there are
    A way down then ends after `count` steps at the most, whatever the row.
    """
    for child in children:
        if len(child) != len(inner) or (child <= inner).any() or (child >= count).any():
            raise DataError("a tree has a node whose child is no node below it")
    every = np.concatenate(children)
    if len(np.unique(every)) < len(every):
        raise DataError("a tree has a node that is the child of two others")


def check_columns(columns: np.ndarray, count: int) -> None:
    """Raises DataError unless all of these are columns of a table of so many."""
    if ((columns < 0) | (columns >= count)).any():
        raise DataError(f"a tree asks for a column that is none of the {count} features")
