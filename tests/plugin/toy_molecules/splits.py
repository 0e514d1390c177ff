"""The file's own order, and a split that fails."""

import numpy as np

from pbgraph.errors import UsageError
from pbgraph.splits import Split, Splitter


def by_row(molecules, seed):
    """The first 80 % of the rows for training, the next 10 % for validation, the rest for test."""
    if seed is not None:
        raise UsageError(f"split 'by-row' takes no seed, but got {seed}")
    n = len(molecules)
    return Split(*np.split(np.arange(n), [int(0.8 * n), int(0.9 * n)]))


def refuse(molecules, seed):
    """Never splits anything."""
    raise ValueError(f"cannot split {len(molecules)}")


BY_ROW = Splitter(name="by-row", version=1, seeded=False, split=by_row, source="made up")
BROKEN = Splitter(name="broken", version=1, seeded=True, split=refuse, source="made up")
