from __future__ import annotations

from dataclasses import replace

import pytest

from pbgraph.datasets.base import DATASETS
from pbgraph.errors import UsageError
from pbgraph.features.base import FEATURISERS, Featuriser
from pbgraph.models.base import MODELS, Architecture
from pbgraph.plans.plan import plan
from pbgraph.plans.presets import preset
from pbgraph.plans.search.search import search_of
from pbgraph.plans.settings import parse_assignment
from pbgraph.results.arms import Arm

HEAD_NETWORKS = [
    name for name in MODELS if isinstance(MODELS.get(name), Architecture) and hasattr(MODELS.get(name).config, "head")
]


def planned(*settings, method="backprop", task="tox21"):
    asked = [parse_assignment(text) for text in settings]
    return plan(task, "smoke", models=[asked[0].scope], methods=[method], settings=asked).specs


@pytest.mark.parametrize("whole", ["descriptors", "ecfp4", "neighbours"])
@pytest.mark.parametrize("model", [name for name in HEAD_NETWORKS if name != "features-only"])
def test_features_that_no_head_reads_are_refused_in_the_plan(model, whole):
    features = f"{model}.features=graph+{whole}"
    with pytest.raises(UsageError, match=rf"^{model}\.features=graph\+{whole}: .* set {model}\.head=packed"):
        planned(features)
    assert [spec.model for spec in planned(features, f"{model}.head=packed")] == [model, "features-only"]


@pytest.mark.parametrize(
    ("setting", "method", "said"),
    [
        ("features-only.features=graph", "backprop", r"set features-only\.features=graph\+descriptors"),
        ("snn.features=graph", "backprop", r"set snn\.features=graph\+descriptors"),
        ("gin.features=ecfp4", "backprop", "gin takes graphs, and these are none; set features that begin with graph"),
        ("gin.features=neighbours", "backprop", "gin takes graphs"),
        ("gin.features=descriptors+graph", "backprop", "begin with graph"),
        ("random-forest.features=graph", "fit", "takes vectors .* set features such as ecfp4"),
        ("random-forest.features=graph+descriptors", "fit", "takes vectors"),
        ("random-forest.features=neighbours", "fit", "takes vectors"),
        ("random-forest.features=ecfp4+graph", "fit", "begin with graph"),
        ("knn.features=descriptors", "fit", "compares bits, .* such as ecfp4-counts"),
        ("knn.features=ecfp4+descriptors", "fit", "compares bits"),
        ("knn.features=ecfp4+neighbours", "fit", "compares bits"),
    ],
)
def test_features_of_another_kind_are_refused_in_the_plan(setting, method, said):
    with pytest.raises(UsageError, match=f"(?s){said}") as refused:
        planned(setting, method=method)
    assert str(refused.value).startswith(f"{setting}: ")


@pytest.mark.parametrize(
    ("setting", "method"),
    [
        ("snn.features=graph+neighbours", "backprop"),
        ("features-only.features=graph+ecfp4", "backprop"),
        ("random-forest.features=ecfp4+descriptors", "fit"),
        ("lightgbm.features=descriptors+neighbours", "fit"),
        ("knn.features=ecfp4", "fit"),
    ],
)
def test_features_that_go_with_a_model_are_planned(setting, method):
    [spec] = planned(setting, method=method)
    assert spec.featuriser == setting.partition("=")[2]


@pytest.mark.parametrize("method", ["perforated", "gd-dendrites", "random-dendrites"])
def test_sites_that_a_network_lacks_are_refused_in_the_plan(method):
    with pytest.raises(
        UsageError, match=rf"^{method}\.sites=conv\+logits, for trimnet: no sub-module .*'conv'; there are: .*blocks"
    ):
        planned("trimnet.depth=1", f"{method}.sites=conv+logits", method=method)
    named = planned("trimnet.depth=1", f"{method}.sites=blocks.*.conv+logits", method=method)
    assert "blocks.*.conv+logits" in {spec.settings.get("sites") for spec in named}


def test_sites_may_be_there_by_the_features_alone():
    """A packed head has layers of its own."""
    fixed = ["trimnet.depth=1", "trimnet.head=packed", "perforated.sites=head.layers.0"]
    assert planned(*fixed, "trimnet.features=graph+descriptors", method="perforated")
    with pytest.raises(UsageError, match=r"^perforated\.sites=head\.layers\.0, for trimnet: no sub"):
        planned("trimnet.depth=1", "perforated.sites=head.layers.0", method="perforated")


def test_sites_that_one_of_two_networks_lacks_are_refused_for_that_one():
    asked = [parse_assignment("perforated.sites=blocks.0.conv")]
    with pytest.raises(UsageError, match=r"^perforated\.sites=blocks\.0\.conv, for gin: no sub-module"):
        plan("tox21", "smoke", models=["trimnet", "gin"], methods=["perforated"], settings=asked)


def test_a_search_refuses_them_too():
    fixed = [parse_assignment("gin.features=graph+descriptors")]
    with pytest.raises(UsageError, match=r"set gin\.head=packed"):
        search_of(DATASETS.get("tox21"), preset("smoke"), Arm("gin", "backprop"), seeds=[0], trials=1, fixed=fixed)


def test_what_one_molecule_does_not_show_is_left_to_the_run(monkeypatch):
    """A featuriser of somebody else's need not know the molecule that is tried, nor a network be built at all."""

    def knows_none(smiles, y):
        raise ValueError(smiles)

    odd = Featuriser("odd", 1, knows_none, lambda arrays, y: None, "none")
    monkeypatch.setitem(FEATURISERS._loaded, "odd", odd)
    monkeypatch.setitem(FEATURISERS.__dict__["_entries"], "odd", [])
    [spec] = planned("gin.features=odd")
    assert spec.featuriser == "odd"


def test_a_refusal_of_the_network_itself_is_said_of_its_features(monkeypatch):
    def refuses(dims, config):
        raise UsageError(f"{dims.graph > 0} {dims.tasks}")

    monkeypatch.setitem(MODELS._loaded, "snn", replace(MODELS.get("snn"), build=refuses, version=77))
    with pytest.raises(UsageError, match=r"^snn\.features=graph\+ecfp4: True 12$"):
        planned("snn.features=graph+ecfp4")
