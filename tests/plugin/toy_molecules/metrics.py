"""How many of the molecules that are ranked first are active."""

import numpy as np

from pbgraph.metrics import Metric


def hits(y, score):
    """The share of actives among the ten measured rows with the highest scores; None for fewer rows."""
    measured = ~np.isnan(y)
    if measured.sum() < 10:
        return None
    first = np.argsort(-score[measured], kind="stable")[:10]
    return float(y[measured][first].mean())


HITS = Metric(name="hits", version=1, score=hits, larger_is_better=True, source="made up")
