from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.graph import GraphStore
from pbgraph.methods.training import _of_members, _rows
from pbgraph.models.base import MODELS, Architecture, Dims, sites_in
from pbgraph.models.head import HEAD_SPACE, Head, HeadConfig, PackedLayer, PackedLinear, searched
from pbgraph.models.trimnet import TrimNetConfig
from pbgraph.ops.loss import masked_cross_entropy
from pbgraph.testing.architectures import DIMS, architecture_checks, as_batch, molecules

PACKED = TrimNetConfig(hidden=8, depth=1, head="packed", head_members=3, head_hidden=32, head_dropout=0.0)


def head(members=3, layers=2, vector=4, features=6) -> Head:
    torch.manual_seed(0)
    config = HeadConfig(head="packed", head_members=members, head_hidden=5, head_layers=layers, head_dropout=0.0)
    return Head(vector, features, 2, config)


@pytest.mark.parametrize(("members", "layers"), [(1, 1), (3, 2), (8, 3)])
def test_each_member_is_an_mlp_of_its_own(members, layers):
    """Beside one MLP of torch's own modules for each member, with its weights."""
    packed = head(members, layers)
    vector, features = torch.randn(7, 4), torch.randn(7, 6)
    for layer in packed.layers:
        nn.init.normal_(layer.scale)
        nn.init.normal_(layer.shift)
    inputs = torch.cat([packed.norm(vector), features], dim=1)
    expected = []
    for m in range(members):
        x = inputs
        for number, layer in enumerate(packed.layers):
            weight = layer.linear.weight.view(members, 5, 10)[m] if number == 0 else layer.linear.weight[m].T
            bias = layer.linear.bias.view(members, 5)[m]
            x = F.relu(F.layer_norm(F.linear(x, weight, bias), (5,), layer.scale[m], layer.shift[m]))
        expected.append(F.linear(x, packed.logits.weight[m].T, packed.logits.bias[m]))
    found = packed(vector, features)
    torch.testing.assert_close(found, torch.stack(expected) if members > 1 else expected[0])


def test_members_do_not_share_gradients():
    packed = head()
    packed(torch.randn(7, 4), torch.randn(7, 6))[1].sum().backward()
    touched = packed.logits.weight.grad.abs().sum((1, 2)) > 0
    assert touched.tolist() == [False, True, False]


def test_new_weights_are_drawn_as_those_of_linear_layers():
    layer = PackedLinear(100, 50, 4)
    assert layer.weight.abs().max() <= 0.1
    assert layer.weight.std().item() == pytest.approx(nn.Linear(100, 200).weight.std().item(), rel=0.05)
    packed = PackedLayer(4, 5, 2, shared=False)
    before = packed.linear.weight.clone()
    packed.reset_parameters()
    assert not torch.equal(before, packed.linear.weight)


def test_the_loss_is_the_mean_over_members():
    logits, y = torch.randn(3, 6, 2), torch.randint(0, 2, (6, 2)).float()
    y[0, 0] = torch.nan
    for weights in (None, torch.tensor([[1.0, 2.0], [3.0, 0.5]])):
        each = torch.stack([masked_cross_entropy(member, y, weights) for member in logits])
        torch.testing.assert_close(masked_cross_entropy(*_rows(logits, y), weights), each.mean())


def test_probabilities_are_averaged_and_of_regression_values():
    outputs = torch.tensor([[[0.0, 40.0]], [[2.0, 60.0]]])
    found = torch.sigmoid(_of_members(outputs, "classification"))
    torch.testing.assert_close(found, torch.sigmoid(outputs).mean(0))
    torch.testing.assert_close(_of_members(outputs, "regression"), outputs.mean(0))
    far = _of_members(torch.tensor([[[-200.0, 200.0]], [[-200.0, 200.0]]]), "classification")
    assert far.isfinite().all()
    assert far[0, 0] < -80
    assert far[0, 1] > 80


@pytest.mark.parametrize(
    "check",
    architecture_checks(
        replace(MODELS.get("trimnet"), build=lambda dims, _: MODELS.get("trimnet").build(dims, PACKED))
    ),
    ids=str,
)
def test_a_network_with_a_packed_head_passes_all_checks(check):
    check()


def test_a_network_with_a_packed_head_reads_features_of_whole_molecules():
    network = MODELS.get("trimnet").build(Dims(DIMS.node, DIMS.edge, 2, graph=DIMS.node), PACKED).eval()
    batch = as_batch(molecules([5, 3]))
    found = network(batch)
    assert found.shape == (3, 2, 2)
    other = network(replace(batch, graph_attr=batch.graph_attr + 1))
    assert not torch.equal(found, other)
    assert network.encode(batch).shape == (2, 16)


def test_sites_are_those_that_the_config_builds():
    trimnet = MODELS.get("trimnet")
    own = sites_in(trimnet, trimnet.build(DIMS, TrimNetConfig(hidden=8, depth=1)))
    packed = sites_in(trimnet, trimnet.build(DIMS, PACKED))
    assert own == ("lin0", "blocks.*.conv", "blocks.*.gru", "set2set", "hidden", "logits")
    assert packed == ("lin0", "blocks.*.conv", "blocks.*.gru", "set2set", "head.layers.*", "head.logits")


NETWORKS = sorted(
    name
    for name in MODELS
    if isinstance(MODELS.get(name), Architecture)
    and MODELS.packages(name) == ["pbgraph"]
    and MODELS.get(name).reads_graphs
)
SMALL = {"hidden": 8, "head": "packed", "head_members": 2, "head_hidden": 6, "head_dropout": 0.0}
QUICK = ("shapes", "permutation", "batch-independence", "no-unused-parameter", "dendrite-sites", "perforation")


def with_features(name: str) -> Architecture:
    """The architecture with a packed head, which is built with features of whole molecules."""
    found = MODELS.get(name)
    assert isinstance(found, Architecture)
    return replace(found, build=lambda dims, _: found.build(replace(dims, graph=DIMS.node), found.config(**SMALL)))


@pytest.mark.lengthy
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_with_a_packed_head_and_features_conforms(name):
    for check in architecture_checks(with_features(name)):
        if str(check) in QUICK:
            check()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_packed_head_of_every_network_reads_its_vector_and_the_features(name):
    torch.manual_seed(0)
    network = with_features(name).build(DIMS, None).eval()
    batch = as_batch(molecules([5, 3]))
    vectors = network.encode(batch)
    assert len(vectors) == 2
    assert torch.equal(network(batch), network.head(vectors, batch.graph_attr))
    assert not torch.equal(network(batch), network.head(vectors, batch.graph_attr + 1))
    assert not torch.equal(network(batch), network.head(vectors.roll(1, 1), batch.graph_attr))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_refuses_features_that_its_own_head_does_not_read(name):
    network = MODELS.get(name)
    with pytest.raises(UsageError, match=rf"set {name}\.head=packed"):
        network.build(replace(DIMS, graph=3), network.config())
    with pytest.raises(UsageError, match="head_members is 0, expected at least 1"):
        network.config(head_members=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "mlp"}, "head is 'mlp', expected 'own' or 'packed'"),
        ({"head_members": 0}, "head_members is 0, expected at least 1"),
        ({"head_dropout": 1.0}, "head_dropout is 1.0, expected a probability"),
        ({"feature_dropout": -0.1}, "feature_dropout is -0.1, expected a probability"),
    ],
)
def test_what_is_no_head_is_named(changes, said):
    with pytest.raises(UsageError, match=said):
        TrimNetConfig(**changes)


def test_features_that_no_head_reads_are_refused():
    trimnet = MODELS.get("trimnet")
    with pytest.raises(UsageError, match=r"set trimnet\.head=packed"):
        trimnet.build(replace(DIMS, graph=3), TrimNetConfig())
    with pytest.raises(UsageError, match=r"set features-only\.features=graph\+descriptors"):
        MODELS.get("features-only").build(DIMS, MODELS.get("features-only").config())


def test_the_head_alone_sees_no_graph():
    model = MODELS.get("features-only")
    network = model.build(replace(DIMS, graph=DIMS.node), model.config(head_members=2)).eval()
    graphs = molecules([5, 5], seed=1)
    y = np.zeros((2, 2), dtype=np.float32)
    same = GraphStore.from_graphs(graphs, y).with_whole(np.ones((2, DIMS.node)))
    a, b = network(same.as_batch()).unbind(1)
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", [*NETWORKS, "features-only"])
def test_with_a_packed_head_those_settings_are_searched_that_the_network_reads(name):
    """Both ends of each range give other logits in training, by the same seed; of `own_head`'s fields the same."""
    model = MODELS.get(name)
    config = model.config(head="packed", head_members=2, head_hidden=6)
    batch = as_batch(molecules([6, 3, 5]))

    def matters(field: str, values) -> bool:
        logits = []
        for value in (values[0], values[-1]):
            torch.manual_seed(0)
            network = model.build(replace(DIMS, graph=DIMS.node), replace(config, **{field: value})).train()
            logits.append(network(batch).flatten().tolist())
        return logits[0] != logits[1]

    space = searched(model, config)
    assert set(HEAD_SPACE) <= set(space)
    assert [field for field, range_ in space.items() if not matters(field, range_.corners)] == []
    corners = {"logits_per_task": (1, 2)} | {field: range_.corners for field, range_ in model.space.items()}
    assert [field for field in model.own_head if matters(field, corners[field])] == []
    if model.reads_graphs:
        assert searched(model, model.config()) == model.space
