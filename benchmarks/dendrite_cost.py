"""What dendrites cost in a loop of one's own: CPU time relative to the plain network, one thread.

    python benchmarks/dendrite_cost.py [--repeats 7]

An MLP with hidden layers of 256, a small convolutional network and a transformer of width 64, trained by AdamW: a step
of the dendrite phase and a step of the neuron phase with one dendrite against a plain step, and predictions with one
and with three dendrites against the plain network's. Predictions are of the network as it stands, of its export, and
of its stacked export. `bare` is the same arithmetic in plain PyTorch with nothing else, see `bare_dendrites.py`: the
floor of a row. The last row divides the surplus per site of a chain of 80 layers by that of a chain of 5.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import timing  # isort: skip  (it sets the number of threads before torch is imported)
import torch
from bare_dendrites import bare, bare_step
from timing import Result, Row, in_turn, ratio, row_of
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.dendrites import Growth, GrowthSettings, export, perforate

STEPS = 40
PREDICTIONS = 100


class SmallCNN(nn.Module):
    """Two convolutions with batch normalisation and two linear layers, for images of 16 x 16."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.hidden, self.logits = nn.Linear(512, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.logits(torch.relu(self.hidden(self.features(x).flatten(1))))
        return logits


class Transformer(nn.Module):
    """Two encoder layers of width 64 over sequences; the class is read off the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 64)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True) for _ in range(2)
        )
        self.logits = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.logits(h.mean(1))
        return logits


@dataclass(frozen=True)
class Case:
    """A network and its inputs; the limits of its rows: dendrite phase, neuron phase, one and three dendrites."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    limits: tuple[float, float, float, float]


def chain(depth: int) -> nn.Module:
    """`depth` linear layers of width 10."""
    return nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(10, 10), nn.Tanh())))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


CASES = (
    Case("MLP of 256", mlp, (64, 64), (2.0, 1.7, 2.2, 4.5)),
    Case("small CNN", SmallCNN, (32, 3, 16, 16), (2.0, 1.5, 2.2, 4.5)),
    Case("transformer of 64", Transformer, (8, 20, 16), (2.2, 1.7, 2.2, 4.5)),
)

Batch = tuple[Tensor, Tensor]


def adamw(groups: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=1e-4)


def loss_fn(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def batch_of(shape: tuple[int, ...]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator), torch.randint(10, shape[:1], generator=generator)


def plain_steps(make: Callable[[], nn.Module], batch: Batch) -> Callable[[], None]:
    """The loop that everybody writes."""
    torch.manual_seed(0)
    model = make()
    optimizer = adamw(model.parameters())
    model.train()

    def steps() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return steps


def grown(make: Callable[[], nn.Module], batch: Batch, phase: str, dendrites: int) -> Growth:
    """A growth a few steps into this phase."""
    torch.manual_seed(0)
    settings = GrowthSettings(patience=1, dendrite_patience=1, priming_batches=1, threshold=1e9, max_dendrites=9)
    growth = Growth(perforate(make()), adamw, settings=settings)
    while (growth.phase, growth.dendrites) != (phase, dendrites):
        for _ in range(2):
            growth.step(loss_fn, batch)
        growth.epoch_end(float(growth.dendrites))
    for _ in range(2):
        growth.step(loss_fn, batch)
    return growth


def repeated(step: Callable[[], object]) -> Callable[[], None]:
    def steps() -> None:
        for _ in range(STEPS):
            step()

    return steps


def steps_of(growth: Growth, batch: Batch) -> Callable[[], None]:
    return repeated(partial(growth.step, loss_fn, batch))


def predictions(model: nn.Module, batch: Batch) -> Callable[[], None]:
    model = model.eval()

    def predict() -> None:
        with torch.no_grad():
            for _ in range(PREDICTIONS):
                model(batch[0])

    return predict


def measure(repeats: int) -> Sequence[Result]:
    return [row for case in CASES for row in (*_training(case, repeats), *_predicting(case, repeats))] + [
        _sites(repeats)
    ]


def _training(case: Case, repeats: int) -> Sequence[Result]:
    batch = batch_of(case.shape)
    phases = {"dendrite phase": ("dendrite", 0), "neuron phase, one dendrite": ("neuron", 1)}
    variants = {"plain": plain_steps(case.make, batch), "copy": plain_steps(case.make, batch)}
    for what, (phase, dendrites) in phases.items():
        growth = grown(case.make, batch, phase, dendrites)
        variants[f"{what}, bare"] = repeated(bare_step(growth, batch, loss_fn, adamw))
        variants[what] = steps_of(growth, batch)
    times = in_turn(variants, repeats)
    return [
        row_of(
            f"{case.name}: {what} / plain step",
            times,
            what,
            "plain",
            target=target,
            scale=1 / STEPS,
            note=_floor(times, f"{what}, bare"),
        )
        for what, target in zip(phases, case.limits[:2], strict=True)
    ]


def _floor(times: Mapping[str, Sequence[float]], variant: str) -> str:
    return f"bare {ratio(times, variant, 'plain'):.2f} ×"


def _predicting(case: Case, repeats: int) -> Sequence[Result]:
    batch = batch_of(case.shape)
    torch.manual_seed(0)
    variants = {"plain": predictions(case.make(), batch)}
    limits = {}
    for count, target in zip((1, 3), case.limits[2:], strict=True):
        model = grown(case.make, batch, "neuron", count).model
        variants[f"bare, {count}"] = predictions(bare(model), batch)
        forms = {"as it stands": copy.deepcopy(model), "export": export(model), "stacked": export(model, stacked=True)}
        for form, each in forms.items():
            what = f"prediction, {count} dendrite{'s' if count > 1 else ''}, {form}"
            variants[what], limits[what] = predictions(each, batch), (target, f"bare, {count}")
    variants["copy"] = predictions(case.make(), batch)
    times = in_turn(variants, repeats)
    return [
        row_of(
            f"{case.name}: {what} / plain",
            times,
            what,
            "plain",
            target=target,
            scale=1 / PREDICTIONS,
            note=_floor(times, floor),
        )
        for what, (target, floor) in limits.items()
    ]


def _sites(repeats: int) -> Result:
    """What a site adds to a plain step in a dendrite phase: in a network of 80, relative to one of 5."""
    batch = batch_of((64, 10))
    variants = {}
    for depth in (5, 80):
        variants[f"plain {depth}"] = plain_steps(partial(chain, depth), batch)
        variants[f"dendrite {depth}"] = steps_of(grown(partial(chain, depth), batch, "dendrite", 0), batch)
    times = in_turn(variants, repeats)
    surplus = {
        depth: [
            (ours - plain) / depth
            for ours, plain in zip(times[f"dendrite {depth}"], times[f"plain {depth}"], strict=True)
        ]
        for depth in (5, 80)
    }
    both = {str(depth): values for depth, values in surplus.items()}
    few, many = (sorted(both[name])[repeats // 2] / STEPS for name in ("5", "80"))
    return Row(
        "chain of linear layers: surplus per site, 80 sites / 5 sites",
        ratio(both, "80", "5"),
        "×",
        1.0,
        ours=many,
        peer=few,
    )


if __name__ == "__main__":
    timing.main(measure, __doc__)
