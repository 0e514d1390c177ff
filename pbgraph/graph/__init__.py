"""Molecular graphs: one graph (`MolGraph`), a flat store of many (`GraphStore`), batches cut from it (`GraphBatch`).

Directed edges: every bond gives two. ``edge_index[0]`` is the sender, ``edge_index[1]`` the receiver, and
edges are sorted by receiver everywhere, so the edges that a node receives are one slice.
"""

from pbgraph.graph.batch import GraphBatch
from pbgraph.graph.molecule import MolGraph
from pbgraph.graph.store import GraphStore

__all__ = ["GraphBatch", "GraphStore", "MolGraph"]
