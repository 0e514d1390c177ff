"""Dendrites in skorch's loop: `examples/digits.py` as an estimator with fit and predict.

    pip install skorch
    python examples/with_skorch.py

The lines marked `# dendrites` are what growing takes.
"""

from __future__ import annotations

import torch
from digits import digits
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from pbgraph.dendrites import Growth, perforate
from pbgraph.dendrites.skorch import GrowthCallback, optimizer_of


def train(hidden: int = 6) -> tuple[Growth, NeuralNetClassifier]:
    """Train a network with one hidden layer and let it grow; (what grew, the estimator)."""
    torch.manual_seed(0)
    rows, valid, _ = digits()
    model = perforate(nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 10)))  # dendrites
    growth = Growth(model, lambda groups: torch.optim.Adam(groups, lr=0.02), patience=3, max_dendrites=1)  # dendrites
    net = NeuralNetClassifier(
        growth.model,
        criterion=nn.CrossEntropyLoss,
        optimizer=optimizer_of(growth),  # dendrites
        callbacks=[GrowthCallback(growth)],  # dendrites
        max_epochs=1000,
        batch_size=64,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(*(values.numpy() for values in valid))),
        verbose=0,
    )
    net.fit(*(values.numpy() for values in rows))
    return growth, net


def main() -> None:
    """Train and print what happened."""
    growth, net = train()
    for event in growth.events:
        print(event)
    _, valid, test = digits()
    for name, (images, labels) in (("valid", valid), ("test", test)):
        told = net.predict(images.numpy()) == labels.numpy()
        print(f"{name} accuracy with {growth.dendrites} dendrites {told.mean():.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
