"""Small problems on which dendrites are tried: functions of random numbers, and tasks of the registry.

A problem has rows to train on, rows to choose the epoch by, and rows on which a gain is read, which are training rows
put aside: no test row is looked at. Scores are R² of numbers and ROC-AUC of classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pbgraph.datasets.base import DATASETS
from pbgraph.datasets.load import load
from pbgraph.features.base import FEATURISERS
from pbgraph.features.stored import featurised
from pbgraph.graph import GraphStore
from pbgraph.methods.base import FitJob
from pbgraph.methods.training import TrainSettings, build_model, graphs_of, make_loss, make_predictor
from pbgraph.metrics import METRICS, Kind, mean_over_tasks
from pbgraph.models.base import MODELS, Architecture, sites_in
from pbgraph.splits import RANDOM
from pbgraph.streams import generator, seeded

ROWS, INPUTS, BATCH = 600, 5, 50
Batch = Any


@dataclass(frozen=True)
class Problem:
    """What is learnt by which network.

    batches  epoch -> training batches, shuffled;  fixed  training batches of equal size, to measure headroom with
    score    (network, "valid" or "check") -> larger is better
    """

    network: nn.Module
    sites: Sequence[str] | None
    loss_fn: Callable[[nn.Module, Batch], Tensor]
    batches: Callable[[int], Sequence[Batch]]
    fixed: Sequence[Batch]
    score: Callable[[nn.Module, str], float]
    rate: float


def friedman(x: Tensor) -> Tensor:
    """Friedman 1991, doi:10.1214/aos/1176347963, in units of its deviation."""
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return (y - 14.4) / 4.9


def waves(x: Tensor) -> Tensor:
    return torch.sin(6 * x[:, 0]) * torch.cos(4 * x[:, 1]) * 2


def steps(x: Tensor) -> Tensor:
    return 1.2 * torch.sign(x[:, 0] - 0.5) * torch.sign(x[:, 1] - 0.5)


def plane(x: Tensor) -> Tensor:
    """A network has nothing to learn here but a plane; the rest is noise."""
    return 2 * (x[:, 0] - x[:, 1]) + x[:, 2] - 0.5


FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "friedman": friedman,
    "waves": waves,
    "steps": steps,
    "plane": plane,
}
NOISE = 0.3
PARTS = {"train": ROWS, "valid": 400, "check": 4000}
TASKS = ("esol", "freesolv", "bace")


def problem(task: str, width: int, seed: int) -> Problem:
    """One of the functions, or of the tasks, for a network of this width."""
    return _of_function(task, width, seed) if task in FUNCTIONS else _of_task(task, width, seed)


def _of_function(task: str, width: int, seed: int) -> Problem:
    with seeded(seed, f"data/{task}"):
        data = {part: _drawn(FUNCTIONS[task], count) for part, count in PARTS.items()}
    with seeded(seed, "init"):
        first, second, last = nn.Linear(INPUTS, width), nn.Linear(width, width), nn.Linear(width, 1)
        network = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), last)
    x, y = data["train"]

    def batches(epoch: int) -> list[Batch]:
        order = torch.randperm(ROWS, generator=generator(seed, f"shuffle/{epoch}"))
        return [(x[rows], y[rows]) for rows in torch.split(order, BATCH)]

    def score(model: nn.Module, part: str) -> float:
        inputs, target = data[part]
        model.eval()
        with torch.no_grad():
            return 1 - float((model(inputs) - target).square().mean() / target.var())

    fixed = [(x[rows], y[rows]) for rows in torch.split(torch.arange(ROWS), BATCH)]
    return Problem(network, None, _squares, batches, fixed, score, 1e-2)


def _drawn(function: Callable[[Tensor], Tensor], count: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(count, INPUTS)
    return x, (function(x) + NOISE * torch.randn(count))[:, None]


def _squares(model: nn.Module, batch: Batch) -> Tensor:
    loss: Tensor = (model(batch[0]) - batch[1]).square().mean()
    return loss


@cache
def _stores(task: str, model: str, seed: int) -> tuple[Kind, str, dict[str, GraphStore]]:
    dataset, architecture = DATASETS.get(task), MODELS.get(model)
    molecules = load(dataset)
    store = featurised(FEATURISERS.get(architecture.featuriser), molecules)
    split = RANDOM.split(molecules, seed)
    order = torch.randperm(len(split.train), generator=generator(seed, "check")).numpy()
    check, train = np.array_split(np.asarray(split.train)[order], [len(order) // 5])
    rows = {"train": np.sort(train), "valid": split.valid, "check": np.sort(check)}
    return dataset.kind, dataset.metric, {part: graphs_of(store.select(index)) for part, index in rows.items()}


def _of_task(task: str, width: int, seed: int) -> Problem:
    kind, metric, stores = _stores(task, "gin", seed)
    architecture = MODELS.get("gin")
    assert isinstance(architecture, Architecture)
    loss = "squared-error" if kind == "regression" else "bce"
    measure = METRICS.get("r2" if kind == "regression" else metric)
    job = FitJob(
        model=architecture,
        config=architecture.config(hidden=width, layers=2),
        settings=TrainSettings(loss=loss, batch_size=BATCH),  # type: ignore[arg-type]
        train=stores["train"],
        valid=stores["valid"],
        seed=seed,
        metric=lambda y, scores: mean_over_tasks(measure, y, scores),
        kind=kind,
    )
    network, train = build_model(job), stores["train"]

    def cut(order: np.ndarray) -> list[Batch]:
        return [train.batch(rows) for rows in np.array_split(order, max(len(train) // BATCH, 9))]

    def batches(epoch: int) -> list[Batch]:
        return cut(torch.randperm(len(train), generator=generator(seed, f"shuffle/{epoch}")).numpy())

    def score(model: nn.Module, part: str) -> float:
        predict = make_predictor(model, replace(job, valid=stores[part]))
        found = job.metric(stores[part].y, predict(stores[part]))
        return float("nan") if found is None else found

    dealt = torch.randperm(len(train), generator=generator(seed, "headroom")).numpy()
    return Problem(network, sites_in(architecture, network), make_loss(job), batches, cut(dealt), score, 2e-3)
