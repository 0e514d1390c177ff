"""Dendrites in a plain PyTorch loop: a small network learns handwritten digits, then grows.

    python examples/digits.py

The data are scikit-learn's digits (1,797 images of 8 x 8 pixels), split at random 60/20/20. The loop is any PyTorch
loop; the five lines marked `# dendrites` are what growing takes. Validation data decide when to switch and which
network is kept; the test data are looked at once, at the end.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.dendrites import Growth, Status, perforate, report_of

Rows = tuple[Tensor, Tensor]


def digits(seed: int = 0) -> tuple[Rows, Rows, Rows]:
    """Training, validation and test rows: images (n, 64) in [0, 1] and digits (n,)."""
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    images, labels = torch.as_tensor(x / 16, dtype=torch.float32)[order], torch.as_tensor(y)[order]
    bounds = (0, int(0.6 * len(x)), int(0.8 * len(x)), len(x))
    train, valid, test = ((images[a:b], labels[a:b]) for a, b in pairwise(bounds))
    return train, valid, test


def loss_fn(model: nn.Module, batch: Rows) -> Tensor:
    """Cross-entropy of one batch."""
    return F.cross_entropy(model(batch[0]), batch[1])


@torch.no_grad()
def score(model: nn.Module, rows: Rows) -> float:
    """Minus the cross-entropy: finer than accuracy, so that small gains are seen."""
    return -loss_fn(model.eval(), rows).item()


@torch.no_grad()
def accuracy(model: nn.Module, rows: Rows) -> float:
    """Share of digits that are told right."""
    return (model.eval()(rows[0]).argmax(1) == rows[1]).float().mean().item()


def train(hidden: int = 6, dendrites: int = 2, seed: int = 0) -> tuple[Growth, list[Status]]:
    """Train a network with one hidden layer and let it grow; (what grew, the status of every epoch)."""
    torch.manual_seed(seed)
    rows, valid, _ = digits(seed)
    model = nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 10))
    model = perforate(model)  # dendrites
    growth = Growth(  # dendrites: in the place of an optimiser
        model, lambda groups: torch.optim.Adam(groups, lr=0.02), patience=5, max_dendrites=dendrites, seed=seed
    )
    statuses: list[Status] = []
    while not growth.finished:  # dendrites: in the place of a number of epochs
        order = torch.randperm(len(rows[0]), generator=torch.Generator().manual_seed(len(statuses)))
        for part in order.split(64):
            growth.step(loss_fn, (rows[0][part], rows[1][part]))  # dendrites: in the place of backward() and step()
        statuses.append(growth.epoch_end(score(model, valid)))  # dendrites
    growth.restore_best()
    return growth, statuses


def main() -> None:
    """Train and print what happened."""
    torch.set_num_threads(1)  # so small a network is fastest so
    growth, statuses = train()
    _, valid, test = digits()
    print(report_of(growth.model))
    for event in growth.events:
        print(event)
    first = next(number for number, status in enumerate(statuses) if status.switched)
    print(
        f"validation score before the first dendrite {statuses[first].best_score:.4f}, at last {growth.best_score:.4f}"
    )
    print(f"accuracy with {growth.dendrites} dendrites: valid {accuracy(growth.model, valid):.3f}", end=", ")
    print(f"test {accuracy(growth.model, test):.3f}")


if __name__ == "__main__":
    main()
