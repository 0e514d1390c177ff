"""Labels of neighbours on Tox21: what a fit and a prediction take, and similarities against RDKit's; one thread.

    python benchmarks/neighbours.py [--repeats 7]

6,258 molecules are the training rows of a split, 783 its test rows. RDKit's side is its bulk comparison of bit vectors
that are there already, which gives the same numbers bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np

from workload import molecules, timing  # isort: skip (sets the number of threads)
from timing import Result, Row, in_turn, row_of

from pbgraph.features.neighbours import BLOCK, NeighbourLabels, similarities
from pbgraph.features.similarity import NEIGHBOURS
from pbgraph.features.stored import featurised
from pbgraph.molecules import Fingerprints
from pbgraph.ops.overlap import BitRows

TRAIN, TEST = 6258, 783


def measure(repeats: int) -> Sequence[Result]:
    store = featurised(NEIGHBOURS, molecules())
    order = np.random.default_rng(0).permutation(len(store))
    train, test = store.select(order[:TRAIN]), store.select(order[TRAIN : TRAIN + TEST])
    fit = cpu_seconds(lambda: NeighbourLabels(train.fingerprints, train.y, "classification").of_training(), repeats)
    fitted = NeighbourLabels(train.fingerprints, train.y, "classification")
    predicted = cpu_seconds(lambda: fitted(test.fingerprints), repeats)
    return [
        against_rdkit(train.fingerprints, test.fingerprints, repeats),
        Row(f"labels of neighbours: a fit to {TRAIN:,} molecules, CPU seconds", fit, "s", 2.5),
        Row("labels of neighbours of other molecules", TEST / predicted, "molecules/s", 1000, at_least=True),
    ]


def cpu_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median; the first time, which may compile kernels, does not count."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return median(seconds[1:])


def against_rdkit(train: Fingerprints, test: Fingerprints, repeats: int) -> Row:
    from rdkit import DataStructs

    rows = BitRows.of(train.packed)
    bits, others = (
        [DataStructs.CreateFromFPSText(row.tobytes().hex()) for row in some.packed] for some in (test, train)
    )

    def ours() -> np.ndarray:
        return np.concatenate([similar for _, similar in similarities(test.packed, rows, rows=BLOCK)])

    def theirs() -> np.ndarray:
        return np.array([DataStructs.BulkTanimotoSimilarity(one, others) for one in bits])

    if not np.array_equal(ours(), theirs()):
        raise AssertionError("similarities differ from RDKit's")
    variants = {"ours": partial(ours), "peer": partial(theirs), "copy": partial(ours)}
    return row_of(
        f"similarities of {TEST} to {TRAIN:,} molecules / RDKit", in_turn(variants, repeats), "ours", "peer", target=0.2
    )


if __name__ == "__main__":
    timing.main(measure, __doc__)
