"""What a trained model is outside of its run: a state that is kept, and the prediction function that comes back of it.

A state is a nesting that `pbgraph.files.state_file` keeps. Its "form" says what it is:

    network     dimensions, resolved config, and weights
    perforated  the same, with the dendrites of every site
    ensemble    states of members whose predictions are averaged
    estimator   whatever the estimator keeps
    whole       another state, and what features of whole molecules its model takes
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from pbgraph.dendrites import perforate
from pbgraph.dendrites.perforation import sites_of
from pbgraph.dendrites.structure import network_state, restore_network
from pbgraph.errors import DataError, UsageError
from pbgraph.features.base import Store
from pbgraph.features.preparation import WholeFeatures
from pbgraph.graph import GraphStore
from pbgraph.methods.base import FitJob
from pbgraph.methods.fit import vectors_of
from pbgraph.methods.targets import TargetScale
from pbgraph.methods.training import averaged, dims_of, evaluation_batches, graphs_of, predict
from pbgraph.metrics import Kind
from pbgraph.models.base import Architecture, Dims, Estimator, Model

Predict = Callable[[Store], np.ndarray]
LARGEST_SIZE = 10_000  # of a whole number in a saved network's config or dimensions


def network_of(state: Any, model: Architecture) -> nn.Module:
    """The network of a state, perforated or not, in evaluation mode.

    Raises UsageError for an ensemble, which is several; DataError as `restored`.
    """
    if state["form"] == "whole":
        return network_of(state["model"], model)
    if state["form"] == "ensemble":
        raise UsageError(f"this {model.name} is an ensemble of several networks; name an arm that is one")
    return _network(state, model)


class NoEncoderError(UsageError):
    """A saved model has no vectors of graphs to give."""


def network_saver(model: nn.Module, job: FitJob) -> Callable[[], dict[str, Any]]:
    """() -> the state of a network, perforated or not, as it is then."""
    dims = dims_of(graphs_of(job.train))

    def state() -> dict[str, Any]:
        perforated = bool(sites_of(model))
        return {
            "form": "perforated" if perforated else "network",
            "dims": [dims.node, dims.edge, dims.tasks, *([dims.graph] if dims.graph else [])],
            "config": asdict(job.config),
            "scale": _scale_state(job),
            "network": network_state(model, candidates=False) if perforated else dict(model.state_dict()),
        }

    return state


def whole_state(whole: WholeFeatures, state: Callable[[], Any]) -> Callable[[], dict[str, Any]]:
    """() -> the state of a model that takes these features of whole molecules."""
    return lambda: {"form": "whole", "features": whole.state(), "model": state()}


def _scale_state(job: FitJob) -> Any:
    if job.kind == "classification":
        return None
    return {name: torch.from_numpy(values) for name, values in vars(TargetScale.of(job.train.y)).items()}


def restored(state: Any, model: Model, kind: Kind) -> Predict:
    """Store -> predictions (n, T): probabilities of class 1, or values in the targets' units.

    Raises DataError if the state does not fit the model.
    """
    if state["form"] == "whole":
        features, inner = WholeFeatures.from_state(state["features"]), restored(state["model"], model, kind)
        return lambda store: inner(features(store))
    if state["form"] == "ensemble":
        members = [_scores(member, model) for member in state["members"]]
        return lambda store: averaged([member(store) for member in members], kind)
    if state["form"] != "estimator" and (state["scale"] is None) != (kind == "classification"):
        raise DataError(f"the saved state is not one of {kind} tasks")
    scores = _scores(state, model)
    if state["form"] == "estimator" or kind == "regression":
        return scores
    return lambda store: averaged([scores(store)], kind)


def encoder(state: Any, model: Model) -> Predict:
    """Store -> the vectors (n, C) float32 that the head of a network reads, as its method `encode` gives them.

    Raises NoEncoderError for an estimator, an ensemble, and a network that has no such method; DataError as `restored`.
    """
    if state["form"] == "whole":
        features, inner = WholeFeatures.from_state(state["features"]), encoder(state["model"], model)
        return lambda store: inner(features(store))
    if isinstance(model, Estimator) or state["form"] == "ensemble":
        what = "fits itself" if isinstance(model, Estimator) else "is an ensemble of several networks here"
        raise NoEncoderError(f"--embeddings are of one network, and {model.name} {what}; name a model that is one")
    network = _network(state, model)
    if not inspect.ismethod(getattr(network, "encode", None)):
        raise NoEncoderError(f"--embeddings need a method encode(batch), and the network of {model.name} has none")
    return lambda store: _vectors(network, graphs_of(store))


@torch.no_grad()
def _vectors(network: nn.Module, store: GraphStore) -> np.ndarray:
    parts = [network.encode(batch).cpu().numpy() for batch in evaluation_batches(store)]  # type: ignore[operator]
    return np.concatenate(parts)


def _scores(state: Any, model: Model) -> Predict:
    """Store -> what the run's own prediction function gave: logits, or of estimators probabilities, or values."""
    if isinstance(model, Estimator):
        if model.restore is None:
            raise DataError(f"model {model.name!r} cannot be read again: it has no restore")
        from_features = model.restore(state["estimator"])
        return lambda store: from_features(vectors_of(store))
    network = _network(state, model)
    if state["scale"] is None:
        return lambda store: predict(network, graphs_of(store), "classification")
    scale = TargetScale(**{name: values.numpy() for name, values in state["scale"].items()})
    return lambda store: scale.restored(predict(network, graphs_of(store), "regression"))


def _network(state: Any, model: Architecture) -> nn.Module:
    dims, config = Dims(*state["dims"]), model.config(**state["config"])
    weights = state["network"]["weights"] if state["form"] == "perforated" else state["network"]
    _check_size(dims, config, weights)
    try:
        with _at_most(weights), torch.device("meta"):  # sizes alone: nothing is allocated
            model.build(dims, config)
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):  # of a network that cannot be built so, parameters are counted as they come
            raise
    with _at_most(weights):
        network = model.build(dims, config)
    try:
        if state["form"] == "perforated":
            restore_network(perforate(network, sites=_sites_of(state["network"])), state["network"])
        else:
            network.load_state_dict(state["network"])
    except (RuntimeError, ValueError) as error:
        raise DataError(f"the saved weights are not those of this {model.name}: {error}") from error
    return network.eval()


def _sites_of(saved: Any) -> list[str]:
    """Names of the sites of a network that was saved."""
    names = [name for name in saved["structure"] if isinstance(name, str)]
    if not names or any("*" in name for name in names):
        raise DataError(f"the saved network has sites {names}; expected names of its parts")
    return names


def _check_size(dims: Dims, config: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Raises DataError for numbers that no network has, which would take memory or time without end."""
    sizes = {**asdict(dims), **asdict(config)}
    for name, value in sizes.items():
        if isinstance(value, int) and not 0 <= value <= LARGEST_SIZE:
            raise DataError(f"the saved network has {name} = {value}; expected 0 to {LARGEST_SIZE}")


@contextmanager
def _at_most(weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Raises DataError in the block as soon as a network gets more parameters, or larger ones, than were saved."""
    left = [len(weights), sum(value.numel() for value in weights.values())]

    def count(module: nn.Module, name: str, parameter: Any) -> None:
        left[0] -= parameter is not None
        left[1] -= 0 if parameter is None else parameter.numel()
        if min(left) < 0:
            raise DataError("the saved weights are fewer than the network has by its config")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
