"""Which molecules are for training, validation and test: exact, versioned functions, one way to split per module."""

from pbgraph.splits.base import SPLITS, Split, Splitter
from pbgraph.splits.butina import BUTINA
from pbgraph.splits.cross_validation import CV5X5
from pbgraph.splits.given import PREDEFINED, TIME
from pbgraph.splits.random import RANDOM
from pbgraph.splits.scaffold import SCAFFOLD, SCAFFOLD_BALANCED

__all__ = [
    "BUTINA",
    "CV5X5",
    "PREDEFINED",
    "RANDOM",
    "SCAFFOLD",
    "SCAFFOLD_BALANCED",
    "SPLITS",
    "TIME",
    "Split",
    "Splitter",
]
