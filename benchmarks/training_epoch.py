"""TrimNet on Tox21, one thread: an epoch of training and an evaluation of validation and test molecules.

    python benchmarks/training_epoch.py [--repeats 7]

Ours against the authors' equations in plain PyTorch Geometric with the authors' loop, and against the floor: the time
that this machine needs for what no implementation can leave out. In each turn 8 of the 49 batches are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from workload import BATCH, EPOCH, PART, Training, stores, timing  # isort: skip (sets the number of threads)
import torch
from peers import AuthorsTrimNet, PeerTraining, check_same_function, pyg_data
from timing import Result, in_turn, row_of

from pbgraph.models.trimnet import TRIMNET, TrimNetConfig

AUTHORS = "authors' equations in PyG"
NODES, EDGES = 2380, 4945  # of an average batch


def products() -> list[tuple[int, int, int]]:
    """(n, k, m) of every (n × k)·(k × m) product in the forward pass of an average batch, larger ones only."""
    config = TrimNetConfig()
    c, h = config.hidden, config.heads
    step = [(NODES, c, h * (c + 2)), (NODES, h * c, c), (NODES, c, 3 * c), (NODES, c, 3 * c)]
    return config.depth * config.steps * step + [(NODES, 39, c)]


def flops() -> float:
    """Of an epoch's matrix products: forward, and twice as much for the gradients of inputs and weights."""
    return EPOCH * 3 * sum(2.0 * n * k * m for n, k, m in products())


def floor() -> Callable[[int], None]:
    """A function that does what no implementation of so many training steps can leave out.

    The matrix products, forward and backward; for every convolution and direction one pass over edge-sized values;
    the activations of the GRU, and one pass for their gradients. All into memory that is there already.
    """
    config, sizes = TrimNetConfig(), products()
    left = {s: torch.randn(s[0], s[1]) for s in sizes}
    right = {s: torch.randn(s[1], s[2]) for s in sizes}
    out = {s: torch.empty(s[0], s[2]) for s in sizes}
    d_left, d_right = {s: torch.empty(s[0], s[1]) for s in sizes}, {s: torch.empty(s[1], s[2]) for s in sizes}
    edges, messages = torch.randn(2, EDGES, config.heads * config.hidden)
    gates, activated = torch.randn(2, NODES, 3 * config.hidden)

    def steps(count: int) -> None:
        for _ in range(count):
            for s in sizes:
                torch.mm(left[s], right[s], out=out[s])
                torch.mm(out[s], right[s].t(), out=d_left[s])
                torch.mm(left[s].t(), out[s], out=d_right[s])
            for _ in range(config.depth * config.steps):
                torch.mul(edges, edges, out=messages)
                torch.mul(messages, edges, out=messages)
                torch.tanh(gates, out=activated)
                torch.mul(activated, gates, out=activated)

    return steps


def measure(repeats: int) -> Sequence[Result]:
    train, valid, test = stores()
    ours = Training.of(TRIMNET)
    peer = PeerTraining(
        AuthorsTrimNet(train.node_dim, train.edge_dim, train.y.shape[1]), pyg_data(train), batch_size=BATCH
    )
    check_same_function(ours.model, peer.model, valid)
    unseen = pyg_data(valid) + pyg_data(test)
    training = in_turn(
        {
            "ours": ours.steps,
            "peer": partial(peer.steps, PART),
            "copy": Training.of(TRIMNET).steps,
            "floor": partial(floor(), PART),
        },
        repeats,
    )
    evaluation = in_turn(
        {"ours": ours.evaluate, "peer": partial(peer.evaluate, unseen), "copy": Training.of(TRIMNET).evaluate}, repeats
    )
    scale = EPOCH / PART
    return [
        row_of(f"TrimNet training epoch / {AUTHORS}", training, "ours", "peer", target=0.28, scale=scale),
        row_of(
            "TrimNet training epoch / floor",
            training,
            "ours",
            "floor",
            target=1.3,
            scale=scale,
            note=f"{flops() / 1e9:.1f} GFLOP of matrix products, edge traffic, activations",
        ),
        row_of(f"TrimNet evaluation of valid + test / {AUTHORS}", evaluation, "ours", "peer", target=0.2),
    ]


if __name__ == "__main__":
    timing.main(measure, __doc__)
