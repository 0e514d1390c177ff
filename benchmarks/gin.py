"""GIN: an epoch of training on Tox21 against PyTorch Geometric's own, one thread.

    python benchmarks/gin.py [--repeats 7]

GIN twice: against the same equations in PyG's layers (given our weights it must give our logits), and against
`torch_geometric.nn.GIN`, which has one readout where the paper's network has one for every depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from workload import BATCH, EPOCH, PART, Training, stores, timing  # isort: skip (sets the number of threads)
from peers import LibraryGIN, PaperGIN, PeerTraining, check_same_function, pyg_data
from timing import Result, in_turn, row_of

from pbgraph.models.gin import GIN

TARGET = 0.8


def measure(repeats: int) -> Sequence[Result]:
    train, valid, _ = stores()
    data, tasks, count = pyg_data(train), train.y.shape[1], 2 * PART
    paper = PeerTraining(PaperGIN(train.node_dim, tasks), data, batch_size=BATCH)
    library = PeerTraining(LibraryGIN(train.node_dim, tasks), data, batch_size=BATCH)
    ours, copy = Training.of(GIN), Training.of(GIN)
    check_same_function(ours.model, paper.model, valid)
    times = in_turn(
        {
            "ours": partial(ours.steps, count),
            "paper": partial(paper.steps, count),
            "copy": partial(copy.steps, count),
            "library": partial(library.steps, count),
        },
        repeats,
    )
    row = partial(row_of, times=times, ours="ours", target=TARGET, scale=EPOCH / count)
    return [
        row("GIN training epoch / the same equations in PyG's layers", peer="paper"),
        row("GIN training epoch / torch_geometric.nn.GIN, 5 × 64", peer="library"),
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
