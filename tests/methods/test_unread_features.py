"""A network that does not look at features of whole molecules is not trained under their name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from pbgraph.errors import PbgraphError
from pbgraph.methods.base import METHODS
from pbgraph.methods.training import build_model
from pbgraph.models.base import Architecture
from pbgraph.ops.segment import segment_mean
from pbgraph.testing.methods import job_of


@dataclass(frozen=True)
class Plain:
    """Nothing to be set."""


class Mean(nn.Module):
    def __init__(self, dims, config):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(dims.node), nn.Dropout(0.5)
        self.out = nn.Linear(dims.node, dims.tasks)

    def forward(self, batch):
        return self.out(segment_mean(self.drop(self.norm(batch.x)), batch.batch, batch.num_graphs, batch.node_ptr))


class Reads(Mean):
    def __init__(self, dims, config):
        super().__init__(dims, config)
        self.more = nn.Linear(dims.graph, dims.tasks)
        nn.init.zeros_(self.more.weight)  # so that features change no logit at first

    def forward(self, batch):
        return super().forward(batch) + self.more(batch.graph_attr)


def job(network, *, features=True):
    made = job_of(METHODS.get("backprop"))
    graph_attr = torch.ones(len(made.train), 3) if features else None
    model = Architecture(
        name="mine", version=1, config=Plain, build=network, source="here", dendrite_sites=("out",), width=""
    )
    return replace(made, model=model, config=Plain(), train=replace(made.train, graph_attr=graph_attr))


def test_a_network_that_never_reads_them_is_refused():
    with pytest.raises(PbgraphError, match=r"mine never reads batch\.graph_attr, .* called after: let its config"):
        build_model(job(Mean))


def test_looking_changes_nothing():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network = build_model(job(Reads))
    assert torch.equal(torch.get_rng_state(), before)
    assert network.training
    assert network.norm.num_batches_tracked == 0
    same = build_model(job(Mean, features=False)).state_dict()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in same.items())
    assert np.isfinite(network.out.weight.detach().numpy()).all()
