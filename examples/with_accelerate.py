"""Dendrites in a loop with Accelerate: `examples/digits.py` with `prepare` and `accelerator.backward`.

    pip install accelerate
    python examples/with_accelerate.py

The lines marked `# dendrites` are what growing takes. One process: several need growth's own step, with
``Growth(..., distribute=DistributedDataParallel)``.
"""

from __future__ import annotations

import torch
from accelerate import Accelerator
from digits import accuracy, digits, loss_fn, score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pbgraph.dendrites import Growth, perforate


def train(hidden: int = 6, accumulate: int = 1) -> Growth:
    """Train a network with one hidden layer and let it grow."""
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    rows, valid, _ = digits()
    model = perforate(nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 10)))  # dendrites
    growth = Growth(  # dendrites
        model, lambda groups: torch.optim.Adam(groups, lr=0.02), patience=3, max_dendrites=1, accumulate=accumulate
    )
    loader = DataLoader(
        TensorDataset(*rows), batch_size=64, shuffle=True, generator=torch.Generator().manual_seed(0), drop_last=True
    )
    model, optimizer, loader = accelerator.prepare(growth.model, growth.as_optimizer(), loader)  # dendrites
    growth.scaler = accelerator.scaler  # dendrites: with mixed_precision="fp16"
    while not growth.finished:  # dendrites: in the place of a number of epochs
        model.train()
        for batch in loader:
            with accelerator.accumulate(model):
                loss = loss_fn(model, batch)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
        growth.epoch_end(score(model, valid))  # dendrites
    growth.restore_best()  # dendrites
    return growth


def main() -> None:
    """Train and print what happened."""
    growth = train()
    for event in growth.events:
        print(event)
    _, valid, test = digits()
    print(f"accuracy with {growth.dendrites} dendrites: valid {accuracy(growth.model, valid):.3f}", end=", ")
    print(f"test {accuracy(growth.model, test):.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
