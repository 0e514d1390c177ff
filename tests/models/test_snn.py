"""SNN against torch's layers, and that it normalises itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pbgraph.errors import UsageError
from pbgraph.models.base import MODELS
from pbgraph.models.snn import SNN, SNNConfig
from pbgraph.testing import DIMS, architecture_checks, as_batch, molecules

COLUMNS = 40
WIDE = replace(DIMS, graph=COLUMNS)


def batch(rows: int, seed: int = 0):
    made = as_batch(molecules([1] * rows))
    return replace(made, graph_attr=torch.randn(rows, COLUMNS, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.lengthy
@pytest.mark.parametrize("check", architecture_checks("snn"), ids=str)
def test_conforms(check):
    check()


@pytest.mark.parametrize("training", [True, False])
def test_is_torchs_selu_and_alpha_dropout(training):
    network = SNN(WIDE, SNNConfig(hidden=7, layers=3, dropout=0.3)).train(training)
    layers = [part for linear in network.hidden for part in (linear, nn.SELU(), nn.AlphaDropout(0.3))]
    plain = nn.Sequential(*layers, network.logits).train(training)
    found = batch(5)
    outputs = []
    for run in (lambda: network(found), lambda: plain(found.graph_attr)):
        torch.manual_seed(0)
        outputs.append(run())
    assert torch.equal(*outputs)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_channels_keep_mean_0_and_variance_1_through_32_layers(dropout):
    torch.manual_seed(0)
    network = SNN(WIDE, SNNConfig(hidden=256, layers=32, dropout=dropout)).train()
    made = network.encode(batch(400))
    assert abs(float(made.mean())) < 0.15
    assert 0.7 < float(made.var()) < 1.3


def test_it_sees_the_features_alone():
    network = SNN(WIDE, SNNConfig(hidden=8, layers=2)).eval()
    first, other = as_batch(molecules([5, 3])), as_batch(molecules([2, 9], seed=1))
    features = torch.randn(2, COLUMNS)
    same = [network(replace(one, graph_attr=features)) for one in (first, other)]
    assert torch.equal(*same)
    assert not torch.equal(same[0], network(replace(first, graph_attr=features + 1)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"hidden": 0}, "at least 1"), ({"layers": 0}, "at least 1"), ({"dropout": 1.0}, r"dropout is 1\.0")],
)
def test_what_is_no_size_or_probability_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        SNNConfig(**changes)


def test_without_features_it_says_which_to_set():
    with pytest.raises(UsageError, match=r"set snn\.features=graph\+descriptors"):
        MODELS.get("snn").build(DIMS, SNNConfig())
