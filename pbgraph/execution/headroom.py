"""From a finished run to the headroom of its network: what a dendrite could learn at each of its sites.

The network is the saved one, or is trained again. Only training rows are looked at. All is computed by one thread, as
runs are: figures do not depend on the machine's cores. And where cores are busy, threads that wait for each other over
small batches take several times the seconds: TrimNet of the default preset on two cores, beside five processes,
4 minutes of CPU time by one thread, and by two more than 21.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pbgraph.dendrites import headroom, perforate
from pbgraph.dendrites.perforation import sites_of
from pbgraph.errors import DataError, PbgraphError, UsageError
from pbgraph.execution.again import do_again
from pbgraph.execution.engines.progress import stages_shown
from pbgraph.execution.fitting import RunOptions, fit_job, prepare
from pbgraph.execution.numerics import deterministic
from pbgraph.graph import GraphBatch, GraphStore
from pbgraph.headroom import Headroom
from pbgraph.methods.restore import network_of
from pbgraph.methods.training import graphs_of, make_loss
from pbgraph.models.base import MODELS, Architecture, sites_in
from pbgraph.prediction.saved import FACTS, read_model
from pbgraph.results.folder import ResultsFolder
from pbgraph.results.records import RunRecord, RunSpec
from pbgraph.streams import generator

FOLDS = 4
LEAST_BATCHES = 3 * FOLDS
MOST_MOLECULES = 8192  # drawn at random where there are more


def is_saved(spec: RunSpec, options: RunOptions) -> bool:
    """Whether the network of a run can be read, and need not be trained again."""
    return os.path.lexists(ResultsFolder(options.results).model_path(spec) / FACTS)


def headroom_of(record: RunRecord, options: RunOptions, *, device: str = "cpu") -> Headroom:
    """Of the network that a finished run has trained, over its training molecules.

    A network that was not saved is trained again, on the CPU, in a folder that goes again.
    Raises UsageError for a run that has not trained one network, DataError if data or saved model cannot be had,
    PbgraphError if training fails.
    """
    model = MODELS.get(record.spec.model)
    if not isinstance(model, Architecture):
        raise UsageError(f"headroom is of networks, and {model.name} fits itself: name an arm of a network")
    if is_saved(record.spec, options):
        return _of_saved(record.spec, model, options, device)
    with tempfile.TemporaryDirectory(prefix="pbgraph-headroom-") as scratch:
        again = replace(options, results=Path(scratch), save_models=True)
        (new,) = do_again(ResultsFolder(options.results), [record], again)
        if new.status == "failed":
            raise PbgraphError(f"{record.spec.arm}, seed {record.spec.seed}, trained again, failed: {new.error}")
        if not is_saved(record.spec, again):
            raise UsageError(f"the network of {record.spec.arm} cannot be saved, so there is none to look at")
        return _of_saved(record.spec, model, again, device)


def _of_saved(spec: RunSpec, model: Architecture, options: RunOptions, device: str) -> Headroom:
    folder = ResultsFolder(options.results).model_path(spec)
    facts, state = read_model(folder)
    if facts.spec.key != spec.key:
        raise DataError(f"{folder} holds the model of run {facts.spec.key}; move it away")
    deterministic(device)
    network = network_of(state, model).to(device)
    if not sites_of(network):
        perforate(network, sites=sites_in(model, network))
    with stages_shown(), _one_thread():
        job, _ = fit_job(spec, prepare(spec, options), options, device=device, report=lambda _: None)
        batches = _batches(graphs_of(job.train), int(job.settings.batch_size), spec.seed)
        return headroom(network, batches, make_loss(job), folds=FOLDS, seed=spec.seed)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(store: GraphStore, size: int, seed: int) -> Iterator[GraphBatch]:
    """Molecules at random, in batches whose sizes differ by one at most, since one batch counts as much as another."""
    chosen = torch.randperm(len(store), generator=generator(seed, "headroom/molecules")).numpy()[:MOST_MOLECULES]
    for rows in np.array_split(chosen, min(max(round(len(chosen) / size), LEAST_BATCHES), len(chosen))):
        yield store.batch(rows)
