"""The bootstrap of `compare` against scikit-learn's weighted scores in a loop, of the same rows drawn; one thread.

    python benchmarks/bootstrap.py [--repeats 7]

Labels and scores are made up, in the shape of one test set of Tox21: 783 molecules, 12 targets, a sixth of the labels
not measured, one in twelve active; two arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import timing  # isort: skip (sets the number of threads)
from timing import Result, in_turn, row_of

from pbgraph.metrics import METRICS, Metric
from pbgraph.report.bootstrap import resampled

MOLECULES, TARGETS, RESAMPLES = 783, 12, 100


def measure(repeats: int) -> Sequence[Result]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    peers = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
    return [against_scikit_learn(METRICS.get(name), peer, repeats) for name, peer in peers.items()]


def against_scikit_learn(metric: Metric, peer: Callable[..., float], repeats: int) -> Result:
    y, scores = made_up()

    def ours() -> np.ndarray:
        return resampled(y, scores, metric, resamples=RESAMPLES, random=np.random.default_rng(1))

    def theirs() -> np.ndarray:
        random, values = np.random.default_rng(1), np.empty((len(scores), TARGETS, RESAMPLES))
        for number in range(RESAMPLES):
            weights = np.bincount(random.integers(MOLECULES, size=MOLECULES), minlength=MOLECULES)
            for target in range(TARGETS):
                kept = ~np.isnan(y[:, target])
                for place, score in enumerate(scores):
                    values[place, target, number] = peer(
                        y[kept, target], score[kept, target], sample_weight=weights[kept]
                    )
        return values

    np.testing.assert_allclose(ours(), theirs(), rtol=0, atol=1e-9)
    variants = {"ours": ours, "peer": theirs, "copy": ours}
    what = f"bootstrap by {metric.name} of a test set, {RESAMPLES} resamples / scikit-learn in a loop"
    return row_of(what, in_turn(variants, repeats), "ours", "peer", target=0.05)


def made_up() -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels (n, T), NaN where not measured, and the scores (n, T) of two arms."""
    random, shape = np.random.default_rng(0), (MOLECULES, TARGETS)
    y = (random.random(shape) < 1 / 12).astype(float)
    scores = [random.normal(size=shape).astype(np.float32) + y for _ in range(2)]
    y[random.random(shape) < 1 / 6] = np.nan
    return y, scores


if __name__ == "__main__":
    timing.main(measure, __doc__)
