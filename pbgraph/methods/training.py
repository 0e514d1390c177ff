"""What every gradient-trained arm shares, so that arms differ in their method and in nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pbgraph.errors import PbgraphError, UsageError
from pbgraph.features.base import Store
from pbgraph.fields import LATER, RESPELT, checked, respelt
from pbgraph.files.hashing import Scalar
from pbgraph.graph import GraphBatch, GraphStore
from pbgraph.methods.base import FitJob
from pbgraph.methods.targets import TargetScale, masked_squared_error
from pbgraph.metrics import Kind
from pbgraph.models.base import Architecture, Dims, Estimator, Model
from pbgraph.models.head import HeadConfig
from pbgraph.ops.loss import masked_cross_entropy
from pbgraph.spaces import Choice, Real, Space
from pbgraph.streams import seeded

LossFunction = Callable[[nn.Module, GraphBatch], Tensor]

EVALUATION_BATCH = 512
LOSSES: Mapping[str, Kind] = {
    "bce": "classification",
    "class-weighted": "classification",
    "squared-error": "regression",
}
USUAL_LOSS: Mapping[Kind, str] = {"classification": "bce", "regression": "squared-error"}
FINAL_RATE = 0.01  # the cosine schedule ends at this share of the learning rate


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of gradient training.

    epochs         longest length of the run (of each neuron phase, where dendrites grow)
    patience       stop after so many epochs without a new best validation score
    batch_size     molecules per step
    learning_rate  of AdamW, at its peak
    weight_decay   decoupled, per unit of learning rate
    loss           of classification: "bce", mean binary cross-entropy over measured cells, or "class-weighted", see
                   `class_weights`; of regression: "squared-error", its mean over measured cells, on targets scaled to
                   mean 0 and standard deviation 1
    schedule       "constant", or "cosine" down to 1 % of the learning rate over `epochs`
    warmup_epochs  the learning rate rises linearly from 0 over so many epochs
    clip_norm      gradients are scaled down to this Euclidean norm; 0 = never
    head_rate      factor on the learning rate of the head: what is after the encoder, see `pbgraph.methods.optimizers`
    label_smoothing  of classification: targets 0 and 1 become s / 2 and 1 - s / 2
    """

    epochs: int = 200
    patience: int = 100
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    loss: Literal["bce", "class-weighted", "squared-error"] = field(default="bce", metadata=RESPELT)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: float = 0.0
    clip_norm: float = 0.0
    head_rate: float = field(default=1.0, metadata=LATER)
    label_smoothing: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        for name, least in {
            "epochs": 1,
            "patience": 1,
            "batch_size": 1,
            "weight_decay": 0.0,
            "warmup_epochs": 0.0,
            "clip_norm": 0.0,
            "head_rate": 0.0,
            "label_smoothing": 0.0,
        }.items():
            if getattr(self, name) < least:
                raise UsageError(f"setting {name} is {getattr(self, name)}; it must be at least {least}")
        if not self.learning_rate > 0:
            raise UsageError(f"setting learning_rate is {self.learning_rate}; it must be more than 0")
        if self.label_smoothing >= 1:
            raise UsageError(f"setting label_smoothing is {self.label_smoothing}; it must be below 1")
        object.__setattr__(self, "loss", respelt(type(self), "loss", self.loss))
        if self.loss not in LOSSES:
            raise UsageError(f"setting loss is {self.loss!r}; it must be one of {', '.join(map(repr, LOSSES))}")
        if self.schedule not in ("constant", "cosine"):
            raise UsageError(f"setting schedule is {self.schedule!r}; it must be 'constant' or 'cosine'")


TRAIN_SPACE: Space = {  # epochs within what a search can pay for
    "epochs": Choice(10, 20, 30, 40, 60),
    "batch_size": Choice(32, 64, 128, 256),
    "learning_rate": Real(3e-4, 1e-2, log=True),
    "weight_decay": Real(1e-5, 1e-1, log=True),
    "schedule": Choice("constant", "cosine"),
}


def refuses_estimators(model: Model) -> str | None:
    """Why gradient methods cannot train `model`, or None if they can."""
    return "it fits itself; use method 'fit'" if isinstance(model, Estimator) else None


def graphs_of(store: Store) -> GraphStore:
    """The store as networks need it. Raises TypeError for one that holds no graphs."""
    if not isinstance(store, GraphStore):
        raise TypeError(f"a network is trained on a GraphStore, not on a {type(store).__name__}; see its featuriser")
    return store


def dims_of(store: GraphStore) -> Dims:
    """What a task gives to an architecture."""
    return Dims(node=store.node_dim, edge=store.edge_dim, tasks=store.y.shape[1], graph=store.graph_dim)


def build_model(job: FitJob) -> nn.Module:
    """The network at its initial weights, the same for every arm with the same seed."""
    assert isinstance(job.model, Architecture)
    graphs = graphs_of(job.train)
    with seeded(job.seed, "init"):
        network = job.model.build(dims_of(graphs), job.config).to(job.device)
    if graphs.graph_attr is not None and not isinstance(job.config, HeadConfig):
        with seeded(job.seed, "look"):
            _refuse_unread_features(job.model.name, network, graphs.batch(np.arange(min(2, len(graphs)))))
    return network


def _refuse_unread_features(model: str, network: nn.Module, batch: GraphBatch) -> None:
    """Raises PbgraphError for a network that never looks at features of whole molecules."""
    read = False

    class Watched(GraphBatch):
        def __getattribute__(self, name: str) -> Any:
            nonlocal read
            read |= name == "graph_attr"
            return super().__getattribute__(name)

    training = network.training
    with torch.no_grad():
        network.eval()(Watched(**{field.name: getattr(batch, field.name) for field in fields(GraphBatch)}))
    network.train(training)
    if not read:
        raise PbgraphError(
            f"{model} never reads batch.graph_attr, where features of whole molecules are, so it would be trained "
            "without what its row is called after: let its config be a HeadConfig and its network an EncoderAndHead, "
            "read it in forward, or set features of graphs alone"
        )


def own_recipe(model: Architecture) -> Mapping[str, Scalar]:
    """What an architecture sets of training. Raises UsageError, which names it, for what is no setting of training."""
    try:
        TrainSettings(
            **{name: checked(TrainSettings, name, value, called=name) for name, value in model.recipe.items()}  # type: ignore[arg-type]
        )
    except UsageError as error:
        raise UsageError(f"the recipe of model {model.name!r}: {error}; change it where the model is made") from error
    return model.recipe


def parameter_count(model: nn.Module) -> int:
    """All parameters, frozen ones too: what a user of the network has to store."""
    return sum(parameter.numel() for parameter in model.parameters())


def class_weights(y: np.ndarray) -> np.ndarray:
    """Weight of a negative and of a positive label of each task: n / n_class over the training rows.

    y (n, T) with NaN = not measured. Returns (2, T) float32; a class that does not occur gets weight 1.
    Source: the TrimNet authors' training script, which counts test rows too; these are training rows alone.
    """
    counts = np.stack([(y == 0).sum(0), (y == 1).sum(0)])
    weights = np.where(counts > 0, counts.sum(0) / np.maximum(counts, 1), 1.0)
    return weights.astype(np.float32)


def check_loss(loss: str, kind: Kind) -> None:
    """Raises UsageError if tasks of this kind cannot be trained with the loss."""
    if LOSSES[loss] != kind:
        fitting = " or ".join(repr(name) for name, its_kind in LOSSES.items() if its_kind == kind)
        raise UsageError(f"loss {loss!r} is for {LOSSES[loss]}, and these are {kind} tasks; set loss to {fitting}")


def make_loss(job: FitJob) -> LossFunction:
    """(model, batch) -> the scalar that is minimised; weights and scales come from training rows alone.

    Raises UsageError if the setting `loss` does not fit the kind of the tasks.
    """
    check_loss(job.settings.loss, job.kind)
    smoothing = job.settings.label_smoothing
    if job.kind == "regression" and smoothing:
        raise UsageError(f"label_smoothing is {smoothing}, and these are regression tasks: it is for classification")
    if job.kind == "regression":
        scale = TargetScale.of(job.train.y)
        return lambda model, batch: masked_squared_error(*_rows(model(batch), scale.standardised(batch.y)))
    weights = None
    if job.settings.loss == "class-weighted":
        weights = torch.from_numpy(class_weights(job.train.y)).to(job.device)
    return lambda model, batch: masked_cross_entropy(*_rows(model(batch), _smoothed(batch.y, smoothing)), weights)


def _smoothed(y: Tensor, smoothing: float) -> Tensor:
    return y + smoothing * (0.5 - y) if smoothing else y


def _rows(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and labels (G, T); of k members (k, G, T) one after another, so that their loss is the mean of theirs.

    Raises ValueError for outputs of another shape.
    """
    if outputs.ndim not in (2, 3) or outputs.shape[-2:] != y.shape:
        graphs, tasks = y.shape
        raise ValueError(
            f"the network gave {tuple(outputs.shape)} for {graphs} graphs and {tasks} targets, expected "
            f"({graphs}, {tasks}), or (members, {graphs}, {tasks}); 'python -m pbgraph.bench check MODEL' says more"
        )
    return (outputs, y) if outputs.ndim == 2 else (outputs.flatten(0, 1), y.repeat(len(outputs), 1))


def rate_factor(settings: TrainSettings, steps_per_epoch: int, epochs: int) -> Callable[[int], float]:
    """Step -> factor on the learning rate, for a stretch of training of `epochs` epochs."""
    warmup = settings.warmup_epochs * steps_per_epoch
    total = max(epochs * steps_per_epoch - warmup, 1.0)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if settings.schedule == "constant":
            return 1.0
        done = min((step - warmup) / total, 1.0)
        return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def steps_per_epoch(job: FitJob) -> int:
    """Batches of one pass over the training rows; the last may be smaller."""
    return -(-len(job.train) // int(job.settings.batch_size))


def evaluation_batches(store: GraphStore) -> Iterator[GraphBatch]:
    """All molecules of `store`, in its order."""
    for start in range(0, len(store), EVALUATION_BATCH):
        yield store.batch(np.arange(start, min(start + EVALUATION_BATCH, len(store))))


@torch.no_grad()
def predict(model: nn.Module, store: GraphStore, kind: Kind) -> np.ndarray:
    """Outputs (n, T) float32 of the model for every molecule of `store`, in its order; the model's mode is kept.

    Of several members: of classification the logit of their mean probability, else the mean of their values.
    """
    training = model.training
    model.eval()
    parts = [_of_members(model(batch), kind).cpu().numpy() for batch in evaluation_batches(store)]
    model.train(training)
    return np.concatenate(parts) if parts else np.empty((0, store.y.shape[1]), np.float32)


def _of_members(outputs: Tensor, kind: Kind) -> Tensor:
    """(G, T), or of k members (k, G, T) -> (G, T)."""
    if outputs.ndim == 2:
        return outputs
    if kind == "regression":
        return outputs.mean(0)
    smallest = torch.finfo(outputs.dtype).tiny
    positive, negative = torch.sigmoid(outputs).mean(0), torch.sigmoid(-outputs).mean(0)
    return positive.clamp(min=smallest).log() - negative.clamp(min=smallest).log()


def make_predictor(model: nn.Module, job: FitJob) -> Callable[[Store], np.ndarray]:
    """Store -> scores (n, T) float32 by the model as it is when called: logits, or values in the targets' units."""
    if job.kind == "classification":
        return lambda store: predict(model, graphs_of(store), job.kind)
    scale = TargetScale.of(job.train.y)
    return lambda store: scale.restored(predict(model, graphs_of(store), job.kind))


def averaged(scores: Sequence[np.ndarray], kind: Kind) -> np.ndarray:
    """Mean over members of probabilities, which are σ of logits (n, T), or of values (n, T)."""
    from scipy.special import expit  # takes a fifth of a second to import

    mean: np.ndarray = np.mean([expit(member) for member in scores] if kind == "classification" else scores, axis=0)
    return mean


def validation_score(model: nn.Module, job: FitJob, epoch: int) -> float:
    """The selection metric on the validation rows; larger is better.

    Raises PbgraphError if no task can be scored there, since nothing could then be selected, or if the network has
    diverged: a measured cell's score is NaN, or the metric is not finite.
    """
    scores = make_predictor(model, job)(job.valid)
    if bad := int(np.isnan(scores[~np.isnan(job.valid.y)]).sum()):
        raise _diverged(f"{bad} scores of validation rows became NaN", epoch)
    score = job.metric(job.valid.y, scores)
    if score is None:
        lack = "has both classes" if job.kind == "classification" else "has targets enough to be scored"
        raise PbgraphError(
            f"none of the {job.valid.y.shape[1]} tasks {lack} among the {len(job.valid)} validation rows; "
            "choose another split or seed"
        )
    if not math.isfinite(score):
        raise _diverged(f"the validation score became {score}", epoch)
    return score


def _diverged(what: str, epoch: int) -> PbgraphError:
    return PbgraphError(f"{what} in epoch {epoch}; lower learning_rate or set clip_norm, which clips gradients")


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: LossFunction,
    *,
    batch: GraphBatch,
    settings: TrainSettings,
) -> Tensor:
    """One step of gradient descent; returns the loss before it."""
    model.train()
    optimizer.zero_grad(set_to_none=True)
    loss = loss_fn(model, batch)
    if not torch.isfinite(loss):
        raise PbgraphError(f"the training loss became {loss.item()}; lower learning_rate or set clip_norm")
    loss.backward()  # type: ignore[no-untyped-call]
    if settings.clip_norm > 0:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
    optimizer.step()
    return loss.detach()
