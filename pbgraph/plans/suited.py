"""Whether a model can take the features of a row, and has the sites: found out in the plan, before any run fails on it.

Nothing is declared twice: the features of one molecule are made, and the network is built for their columns, as a run
would do it with all of them. Other faults than a refusal are the run's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import nn

from pbgraph.datasets.base import Dataset
from pbgraph.dendrites import SiteError, perforate
from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS, JOINED, Store
from pbgraph.features.composed import trial
from pbgraph.features.vectors import VectorStore
from pbgraph.graph import GraphStore
from pbgraph.methods.sites import ALL, Sites
from pbgraph.models.base import MODELS, Architecture, Dims, Estimator
from pbgraph.plans.settings import FEATURES
from pbgraph.results.records import RunSpec
from pbgraph.streams import seeded

SITES = "sites"  # the setting of growth

log = logging.getLogger(__name__)


def check_suited(spec: RunSpec, dataset: Dataset) -> None:
    """Raises UsageError, saying what to set, if the model of a spec cannot take its features, or lacks sites it names.

    A model on features of graphs alone that are its own is not tried if no sites are named, which saves the time of
    most plans.
    """
    model = MODELS.get(spec.model)
    text = str(spec.settings.get(SITES, ALL))
    sites = Sites.of(text).patterns
    if spec.featuriser == model.featuriser and JOINED not in spec.featuriser and not sites:
        return
    config, tasks = tuple(spec.model_config.items()), max(1, len(dataset.tasks))
    found = _fault(spec.model, spec.featuriser, config, tasks=tasks, columns=len(dataset.graph_columns), sites=sites)
    if found and found.of_sites:
        raise UsageError(f"{spec.method}.{SITES}={text}, for {spec.model}: {found.reason}")
    if found:
        raise UsageError(f"{spec.model}.{FEATURES}={spec.featuriser}: {found.reason}")


@dataclass(frozen=True)
class _Fault:
    """Why a network cannot be made, or not perforated where it is asked."""

    reason: str
    of_sites: bool = False


@lru_cache(maxsize=256)  # of a plan, the rows of all methods have the same
def _fault(
    model: str,
    features: str,
    config: tuple[tuple[str, Any], ...],
    *,
    tasks: int,
    columns: int,
    sites: tuple[str, ...],
) -> _Fault | None:
    """What is wrong with such features, or sites; None if nothing is, or if one molecule does not show it."""
    try:
        store = trial(FEATURISERS.get(features), tasks, columns)
        chosen = MODELS.get(model)
        if isinstance(chosen, Estimator):
            reason = _reason_of_estimator(chosen, store)
            return _Fault(reason) if reason else None
        network = _network(chosen, store, chosen.config(**dict(config)))
        if sites:
            perforate(network, sites)
    except UsageError as error:
        return _Fault(str(error))
    except SiteError as error:
        return _Fault(str(error), of_sites=True)
    except Exception as error:  # of code of somebody else's, which may know no such molecule: the run will say it
        log.debug("%s on %s was not tried: %s: %s", model, features, type(error).__name__, error)
    return None


def _reason_of_estimator(model: Estimator, store: Store) -> str:
    if not isinstance(store, VectorStore):
        return f"{model.name} takes vectors of whole molecules, and these are none; set features such as ecfp4"
    numbers = store.fingerprints is not None or (store.bits is not None and store.bits < store.x.shape[1])
    if model.bits_alone and numbers:
        return f"{model.name} compares bits, and these have other numbers; set features such as {model.featuriser}"
    return ""


def _network(model: Architecture, store: Store, config: Any) -> nn.Module:
    if not isinstance(store, GraphStore):
        raise UsageError(
            f"{model.name} takes graphs, and these are none; set features that begin with {_graphs_of(model)}"
        )
    whole = store.graph_dim + (store.fingerprints is not None)  # neighbours' labels become some columns in the fit
    with seeded(0, "plan"):
        return model.build(Dims(store.node_dim, store.edge_dim, store.y.shape[1], whole), config)


def _graphs_of(model: Architecture) -> str:
    """The featuriser of its graphs alone."""
    return model.featuriser.partition(JOINED)[0]
