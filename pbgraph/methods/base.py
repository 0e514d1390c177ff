"""What a registered training method is, what it is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pbgraph.features.base import Store
from pbgraph.history import Epoch, Selection
from pbgraph.history import Report as Report
from pbgraph.insight import Insight
from pbgraph.metrics import Kind
from pbgraph.models.base import Model
from pbgraph.registry import Registry
from pbgraph.spaces import Space


@dataclass(frozen=True)
class PairedRun:
    """What a control may know of the run that it is matched to: how it was trained, and no test score.

    parameters  of the network that it reports
    history     line by line, with validation scores in their own unit and direction
    details     what its method kept in the record
    settings    of its method
    """

    parameters: int
    history: tuple[Epoch, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FitJob:
    """All that a training method may know: training and validation rows, never test rows.

    train, valid     featurised molecules: a GraphStore for an Architecture, a VectorStore for an Estimator
    model, config    what to train, and its resolved hyper-parameters (an instance of model.config)
    settings         the method's resolved settings (an instance of method.settings)
    seed             of the streams "init", "shuffle/...", "dropout/...", "dendrite/..."
    metric           (y, scores) -> mean over tasks, or None; larger is better, errors have their sign turned
    kind             of the tasks
    paired           the finished run that a control is matched to, if it reads any of it
    checkpoint       file to save to and to resume from, or None to keep nothing
    platform, code   on what it is computed, in words, and by what, a hash; only what was saved by the same is resumed
    first_phases     folder of first neuron phases on the same data that runs leave each other, see
                     `pbgraph.methods.first_phase`; None: the run trains its own
    report           called with a Report; raising from it stops the run after its state was saved
    """

    model: Model
    config: Any
    settings: Any
    train: Store
    valid: Store
    seed: int
    metric: Callable[[np.ndarray, np.ndarray], float | None]
    kind: Kind = "classification"
    device: str = "cpu"
    paired: PairedRun | None = None
    checkpoint: Path | None = None
    platform: str = ""
    code: str = ""
    first_phases: Path | None = None
    report: Callable[[Report], None] = lambda _: None


@dataclass(frozen=True)
class Fitted:
    """A trained model, chosen by validation score, ready to be scored once on the test rows.

    predict     store -> scores (n, T) float: of classification as `outputs` says, of regression in the units of y
    outputs     of classification: logits, or probabilities of class 1
    selection, history  with validation scores as FitJob.metric gives them
    parameters  number of trained and frozen values the predictor uses
    state       () -> what `pbgraph.methods.restore` makes a prediction function of again; None: it cannot be saved
    details     what the method wants to keep in the record, JSON types only
    dendrites   what dendrites learnt, if any grew
    correlations  site -> for every dendrite tried there, in order: mean over neurons of its signed correlation with δ
                on validation rows when it was accepted; None where it was not, or is of no dendrite phase
    earlier_seconds, sittings  time spent before this call, and calls so far, if the run was resumed
    """

    predict: Callable[[Store], np.ndarray]
    parameters: int
    epochs: int
    selection: Selection
    history: tuple[Epoch, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    dendrites: Insight | None = None
    correlations: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    state: Callable[[], Any] | None = None
    earlier_seconds: float = 0.0
    sittings: int = 1
    outputs: Literal["logits", "probabilities"] = "logits"


@dataclass(frozen=True)
class Method:
    """A way of training.

    settings  frozen dataclass; its defaults are stated in its docstring
    fit       FitJob -> Fitted; owns its loop
    refuses   model -> why this method cannot train it, or None
    control_of  the method whose finished record (same model, split and seed) it needs, or None
    reads_pair  whether `fit` of a control reads `FitJob.paired`, which is None where it does not
    space     field of the settings, or of those of what a control is paired with, which then sets it for both -> the
              range in which `tune` searches it
    """

    name: str
    version: int
    settings: type
    fit: Callable[[FitJob], Fitted]
    refuses: Callable[[Model], str | None]
    source: str
    control_of: str | None = None
    reads_pair: bool = True
    space: Space = field(default_factory=dict)


METHODS: Registry[Method] = Registry("method", "pbgraph.methods", Method)


def chain(method: Method) -> list[Method]:
    """A control, what it is paired with, and so on."""
    return [method, *(chain(METHODS.get(method.control_of)) if method.control_of else ())]


def is_read(method: str) -> bool:
    """Whether there are controls that read the runs of a method, which they are paired with."""
    return any(one.control_of == method and one.reads_pair for one in METHODS.working())
