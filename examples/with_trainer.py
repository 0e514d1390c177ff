"""Dendrites in Hugging Face's Trainer: `examples/digits.py` with its loop, its evaluation and its checkpoints.

    pip install transformers accelerate
    python examples/with_trainer.py

The lines marked `# dendrites` are what growing takes. A model of transformers is used in the same way: perforate it,
and hand over `growth.model`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from digits import Rows, accuracy, digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments

from pbgraph.dendrites import Growth, perforate
from pbgraph.dendrites.huggingface import GrowthCallback, optimizers_of


class Net(nn.Module):
    """What a model of transformers looks like: named inputs, and a loss if there are labels."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden, self.logits = nn.Linear(64, hidden), nn.Linear(hidden, 10)

    def forward(self, pixels: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Logits (n, 10)."""
        logits = self.logits(torch.tanh(self.hidden(pixels)))
        return {"logits": logits} if labels is None else {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Images(Dataset[dict[str, Tensor]]):
    """Rows as a data set of named inputs."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows[0])

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"pixels": self.rows[0][row], "labels": self.rows[1][row]}


def train(folder: Path, *, hidden: int = 6, epochs: int = 200, resume: Path | None = None) -> tuple[Growth, Any]:
    """Train in a folder, from one of its checkpoints if it is named; (what grew, the trainer)."""
    torch.manual_seed(0)
    rows, valid, _ = digits()
    model = perforate(Net(hidden), example={"pixels": rows[0][:2]})  # dendrites
    growth = Growth(model, lambda groups: torch.optim.Adam(groups, lr=0.02), patience=3, max_dendrites=1)  # dendrites
    if resume is not None:
        growth.load(resume / "growth.safetensors")  # dendrites
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=64,
        per_device_eval_batch_size=512,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        max_grad_norm=0.0,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        seed=0,
    )
    trainer = Trainer(
        model=growth.model,
        args=arguments,
        train_dataset=Images(rows),
        eval_dataset=Images(valid),
        optimizers=optimizers_of(growth),  # dendrites
        callbacks=[GrowthCallback(growth)],  # dendrites
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return growth, trainer


class Logits(nn.Module):
    """A network as `accuracy` knows it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (n, 10)."""
        logits: Tensor = self.net(pixels)["logits"]
        return logits


def main() -> None:
    """Train and print what happened."""
    with tempfile.TemporaryDirectory() as folder:
        growth, trainer = train(Path(folder))
    for event in growth.events:
        print(event)
    print(f"{trainer.state.global_step} steps")
    _, valid, test = digits()
    print(f"accuracy with {growth.dendrites} dendrites: valid {accuracy(Logits(growth.model), valid):.3f}", end=", ")
    print(f"test {accuracy(Logits(growth.model), test):.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
