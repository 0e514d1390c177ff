"""Would this be worth an option? Ideas for training a network, tried outside of the package on validation rows alone.

    python benchmarks/recipe_prototypes.py [--seeds 0-2] [--only NAME ...]

Each idea changes one thing of TrimNet with descriptors beside its graphs and a packed head, 12 epochs (the base).
Every run is a line of recipe_prototypes.jsonl beside this file, written as it comes; what is there is not made again,
so the same command goes on. Prints the table that recipes.md shows. No test row is scored.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import Crippen, rdPartialCharges
from torch import Tensor, nn
from torch.nn import functional as F

from pbgraph.datasets.base import DATASETS
from pbgraph.execution.fitting import Prepared, RunOptions, fit_job, prepare
from pbgraph.graph import GraphBatch, GraphStore
from pbgraph.graph.batch import starts
from pbgraph.humanize import parse_seeds
from pbgraph.methods.base import FitJob
from pbgraph.methods.optimizers import make_optimizer, set_rate
from pbgraph.methods.session import Session
from pbgraph.methods.training import (
    build_model,
    make_loss,
    parameter_count,
    rate_factor,
    steps_per_epoch,
    train_step,
    validation_score,
)
from pbgraph.models.base import Architecture, Dims
from pbgraph.models.head import Head
from pbgraph.models.trimnet import TrimNet, TrimNetConfig
from pbgraph.ops.activations import celu
from pbgraph.ops.segment import segment_max, segment_mean, spread
from pbgraph.plans.asked import Asked
from pbgraph.plans.presets import preset
from pbgraph.plans.resolve import spec_of
from pbgraph.plans.settings import parse_assignment
from pbgraph.results.records import RunSpec
from pbgraph.streams import seeded
from pbgraph.structures.smiles import parsed

LINES = Path(__file__).with_suffix(".jsonl")
BASE = (
    "trimnet.features=graph+descriptors",
    "trimnet.head=packed",
    "training.epochs=12",
    "training.patience=12",
    "training.head_rate=2",
    "trimnet.depth=2",
    "trimnet.hidden=32",
    "trimnet.heads=4",
    "trimnet.dropout=0.2",
    "trimnet.feature_dropout=0",
    "trimnet.head_dropout=0.3",
    "training.batch_size=128",
    "training.learning_rate=2e-3",
    "training.weight_decay=1e-2",
)
DROPPED = 0.1  # probability that an edge or an atom's features are left out of a training step
AVERAGED_FROM = 8  # epoch; the weights after it and after each later one are averaged
RINGS = (3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Line:
    """One run.

    valid    best validation score over the epochs; curve: all of them
    average  validation score of the mean of the weights over the last third of the epochs
    """

    idea: str
    seed: int
    valid: float
    average: float
    curve: list[float]
    parameters: int
    seconds: float


class InTraining(nn.Module):
    """A network that sees changed batches in training."""

    def __init__(self, network: nn.Module, change: Callable[[GraphBatch], GraphBatch]) -> None:
        super().__init__()
        self.head, self.encoder, self._change = network.head, network, change  # head by its name, for its rate

    def forward(self, batch: GraphBatch) -> Tensor:
        """Logits."""
        logits: Tensor = self.encoder(self._change(batch) if self.training else batch)
        return logits


def without_edges(batch: GraphBatch) -> GraphBatch:
    """DropEdge: Rong et al. 2020, arXiv:1907.10903; each direction of a bond for itself."""
    kept = torch.rand(len(batch.edge_type)) >= DROPPED
    edges = batch.edge_index[:, kept]
    return replace(
        batch,
        edge_index=edges,
        edge_type=batch.edge_type[kept],
        receiver_ptr=starts(torch.bincount(edges[1], minlength=len(batch.x))),
    )


def without_atoms(batch: GraphBatch) -> GraphBatch:
    """Features of some atoms are zero, their bonds stay: masking as in Hu et al. 2020, arXiv:1905.12265."""
    return replace(batch, x=batch.x * (torch.rand(len(batch.x), 1) >= DROPPED))


class WithVirtualNode(TrimNet):
    """A node that hears all others and is heard by them, before each block: Gilmer et al. 2017, arXiv:1704.01212."""

    def __init__(self, dims: Dims, config: TrimNetConfig) -> None:
        super().__init__(dims, config)
        self.virtual = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in self.blocks)

    def encode(self, batch: GraphBatch) -> Tensor:
        """One vector per graph, (G, 2C)."""
        x = celu(self.lin0(batch.x))
        for block, virtual in zip(self.blocks, self.virtual, strict=True):
            heard = F.relu(virtual(segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr)))  # G x C
            x = x + spread(heard, batch.batch, batch.node_ptr)
            x = x + self._dropout(block(x, batch))
        vectors: Tensor = self.set2set(x, batch)
        return vectors


class WithPooling(TrimNet):
    """Mean and maximum over a graph's nodes in the place of Set2Set."""

    def __init__(self, dims: Dims, config: TrimNetConfig) -> None:
        super().__init__(dims, config)
        del self.set2set

    def encode(self, batch: GraphBatch) -> Tensor:
        """One vector per graph, (G, 2C)."""
        x = celu(self.lin0(batch.x))
        for block in self.blocks:
            x = x + self._dropout(block(x, batch))
        pooled = [
            segment_mean(x, batch.batch, batch.num_graphs, batch.node_ptr),
            segment_max(x, batch.batch, batch.node_ptr),
        ]
        return torch.cat(pooled, dim=1)


def in_training(change: Callable[[GraphBatch], GraphBatch]) -> Callable[[Architecture], Architecture]:
    """The architecture whose network sees changed batches in training."""
    return lambda model: replace(model, build=lambda dims, config: InTraining(model.build(dims, config), change))


def richer_atoms(data: Prepared) -> Prepared:
    """With more columns of atoms: sizes of rings, Gasteiger charge, Crippen shares of logP and refractivity."""
    store = data.store
    assert isinstance(store, GraphStore)
    rows = np.concatenate([_atom_columns(molecule) for molecule in parsed(data.molecules.smiles)])
    known = store.node_table[store.node_type.long()]
    table = torch.cat([known, torch.from_numpy(rows)], dim=1)
    wider = replace(store, node_table=table, node_type=torch.arange(len(table), dtype=torch.int32))
    return replace(data, store=wider)


def _atom_columns(molecule: Any) -> np.ndarray:
    molecule = Chem.Mol(molecule)
    rdPartialCharges.ComputeGasteigerCharges(molecule)
    shares = Crippen.rdMolDescriptors._CalcCrippenContribs(molecule)
    rows = [
        [
            *(float(atom.IsInRingSize(size)) for size in RINGS),
            atom.GetDoubleProp("_GasteigerCharge"),
            logp,
            refractivity / 5,
        ]
        for atom, (logp, refractivity) in zip(molecule.GetAtoms(), shares, strict=True)
    ]
    columns = np.array(rows, dtype=np.float32).reshape(-1, len(RINGS) + 3)
    return np.clip(np.nan_to_num(columns, nan=0.0, posinf=0.0, neginf=0.0), -4, 4)


@dataclass(frozen=True)
class Idea:
    """What is other than in the base: settings, the architecture, or the data."""

    settings: tuple[str, ...] = ()
    model: Callable[[Architecture], Architecture] = lambda model: model
    data: Callable[[Prepared], Prepared] = lambda data: data


IDEAS = {
    "base": Idea(),
    "edges dropped": Idea(model=in_training(without_edges)),
    "atoms masked": Idea(model=in_training(without_atoms)),
    "virtual node": Idea(model=lambda model: replace(model, build=WithVirtualNode)),
    "mean and maximum": Idea(model=lambda model: replace(model, build=WithPooling)),
    "richer atoms": Idea(data=richer_atoms),
    "features dropped, 0.2": Idea(("trimnet.feature_dropout=0.2",)),
    "labels smoothed, 0.1": Idea(("training.label_smoothing=0.1",)),
    "batches of 64": Idea(("training.batch_size=64",)),
    "batches of 256": Idea(("training.batch_size=256",)),
}


def spec(idea: Idea, seed: int) -> RunSpec:
    """The base's run, or the idea's, with a seed."""
    dataset = DATASETS.get("tox21")
    asked = Asked("trimnet", "backprop", tuple(parse_assignment(text) for text in (*BASE, *idea.settings)))
    made = spec_of(dataset, preset("default").recipe, split=dataset.split, asked=asked)
    return replace(made, seed=seed, split_seed=seed)


def measured(name: str, seed: int) -> Line:
    """One run: as `backprop` trains, with the average of the last weights beside."""
    started, idea = time.monotonic(), IDEAS[name]
    options = RunOptions(results=LINES.parent.parent / "results", offline=True)
    run = spec(idea, seed)
    data = idea.data(prepare(run, options))
    with seeded(seed, "run"):
        job, _ = fit_job(run, data, options, device="cpu", report=lambda _: None)
        assert isinstance(job.model, Architecture)
        job = replace(job, model=idea.model(job.model), checkpoint=None)
        curve, average, parameters = trained(job)
    return Line(name, seed, max(curve), average, curve, parameters, round(time.monotonic() - started, 1))


def trained(job: FitJob) -> tuple[list[float], float, int]:
    """Validation scores after each epoch, that of averaged weights, and the number of parameters."""
    settings, loss_fn = job.settings, make_loss(job)
    model = build_model(job)
    assert isinstance(getattr(model, "head", None), Head)
    optimizer = make_optimizer(settings, model)(model.parameters())
    session = Session(job, {"model": model}, longest=settings.epochs, status=lambda: ("neuron", None, 0))
    factor = rate_factor(settings, steps_per_epoch(job), settings.epochs)
    curve: list[float] = []
    late: list[dict[str, Tensor]] = []
    while session.epoch < settings.epochs:
        for batch in session.batches():
            set_rate(optimizer, settings.learning_rate * factor(session.steps))
            session.add_loss(train_step(model, optimizer, loss_fn, batch=batch, settings=settings))
        curve.append(validation_score(model, job, session.epoch))
        if session.epoch + 1 >= AVERAGED_FROM:
            late.append({name: value.detach().clone() for name, value in model.state_dict().items()})
        session.end_epoch(phase="neuron", dendrites=0, valid=curve[-1], learning_rate=0.0)
    model.load_state_dict({name: torch.stack([one[name] for one in late]).mean(0) for name in late[0]})
    return curve, validation_score(model, job, session.epoch), parameter_count(model)


def read() -> list[Line]:
    """All lines that are there."""
    return [Line(**json.loads(text)) for text in LINES.read_text().splitlines()] if LINES.exists() else []


def table(lines: Sequence[Line]) -> str:
    """Best first; differences are paired with the base's by seed."""
    base = {line.seed: line.valid for line in lines if line.idea == "base"}
    scores = {name: {line.seed: line.valid for line in lines if line.idea == name} for name in IDEAS}
    scores["weights averaged"] = {line.seed: line.average for line in lines if line.idea == "base"}
    rows = []
    for name, by_seed in scores.items():
        if by_seed:
            pairs = [score - base[seed] for seed, score in by_seed.items() if seed in base]
            rows.append((fmean(by_seed.values()), name, list(by_seed.values()), pairs))
    text = ["| idea | seeds | valid ROC-AUC | SD | paired difference to base, per seed |", "|---|---:|---:|---:|---|"]
    for mean, name, values, pairs in sorted(rows, reverse=True):
        spread_ = f"{stdev(values):.4f}" if len(values) > 1 else "–"
        said = ", ".join(f"{pair:+.4f}" for pair in pairs) if name != "base" else "–"
        text.append(f"| {name} | {len(values)} | {mean:.4f} | {spread_} | {said} |")
    return "\n".join(text)


def main() -> None:
    """Do what is missing, and show all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", default="0-2")
    parser.add_argument("--only", nargs="+", choices=list(IDEAS), default=list(IDEAS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = {(line.idea, line.seed) for line in read()}
    for seed in parse_seeds(arguments.seeds):
        for name in arguments.only:
            if (name, seed) not in done:
                line = measured(name, seed)
                with LINES.open("a") as file:
                    file.write(json.dumps(asdict(line)) + "\n")
                print(
                    f"{name}, seed {seed}: {line.valid:.4f}, averaged {line.average:.4f}, {line.seconds:.0f} s",
                    flush=True,
                )
    print(table(read()))


if __name__ == "__main__":
    main()
