"""Dendrites in Lightning's loop: `examples/digits.py` with a Trainer, checkpoints and all.

    python examples/with_lightning.py

The module is an ordinary one with automatic optimisation; the lines marked `# dendrites` are what growing takes.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning
import torch
from digits import Rows, accuracy, digits, loss_fn
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pbgraph.dendrites import Growth, perforate
from pbgraph.dendrites.lightning import GrowthCallback


class Net(lightning.LightningModule):
    """A classifier of digits."""

    def __init__(self, growth: Growth) -> None:
        super().__init__()
        self.growth, self.model = growth, growth.model

    def training_step(self, batch: Rows, _: int) -> Tensor:
        """Cross-entropy."""
        return loss_fn(self.model, batch)

    def validation_step(self, batch: Rows, _: int) -> None:
        """Cross-entropy of the validation rows."""
        self.log("val_loss", loss_fn(self.model, batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One object for all phases."""
        return self.growth.as_optimizer()  # dendrites


def loader(rows: Rows, seed: int | None = None) -> DataLoader[Any]:
    """Batches of 64, shuffled if there is a seed."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*rows), batch_size=64, shuffle=seed is not None, generator=generator)


def train(folder: Path, *, hidden: int = 6, max_epochs: int = -1, resume: Path | None = None) -> tuple[Growth, Any]:
    """Train in a folder, from a checkpoint if there is one; (what grew, the trainer)."""
    torch.manual_seed(0)
    model = perforate(nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 10)))  # dendrites
    growth = Growth(model, lambda groups: torch.optim.Adam(groups, lr=0.02), patience=3, max_dendrites=1)  # dendrites
    rows, valid, _ = digits()
    trainer = lightning.Trainer(
        default_root_dir=folder,
        max_epochs=max_epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            GrowthCallback(growth, "val_loss"),  # dendrites
            ModelCheckpoint(folder, monitor="val_loss", save_last=True),
        ],
    )
    trainer.fit(Net(growth), loader(rows, seed=0), loader(valid), ckpt_path=resume)
    return growth, trainer


def main() -> None:
    """Train and print what happened."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        growth, trainer = train(Path(folder))
        checkpoints = sorted(path.name for path in Path(folder).glob("*.ckpt"))
    for event in growth.events:
        print(event)
    print(f"{trainer.global_step} steps; checkpoints: {', '.join(checkpoints)}")
    _, valid, test = digits()
    print(f"accuracy with {growth.dendrites} dendrites: valid {accuracy(growth.model, valid):.3f}", end=", ")
    print(f"test {accuracy(growth.model, test):.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
