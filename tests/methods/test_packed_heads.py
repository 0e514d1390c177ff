"""Every network with a packed head: grown by dendrites, saved, restored, exported, and predicting."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from pbgraph.dendrites import Growth, PerforatedSite, export, load_network, perforate, save_network
from pbgraph.fields import field_names
from pbgraph.methods.base import METHODS
from pbgraph.methods.perforated import PerforatedSettings
from pbgraph.methods.restore import encoder, restored
from pbgraph.methods.training import predict
from pbgraph.models.base import MODELS, Architecture, Dims, sites_in
from pbgraph.testing import DIMS, as_batch, molecules
from tiny_task import tiny_task

pytestmark = pytest.mark.lengthy

NAMES = sorted(
    name
    for name in MODELS
    if isinstance(MODELS.get(name), Architecture)
    and MODELS.packages(name) == ["pbgraph"]
    and "head" in field_names(MODELS.get(name).config)
)
MEMBERS = 2
SIZES = {"hidden": 4, "layers": 1, "depth": 2, "steps": 1, "head": "packed", "head_members": MEMBERS, "head_hidden": 4}
GROWING = {"max_dendrites": 1, "cycle_epochs": 1, "dendrite_epochs": 1, "dendrite_patience": 1, "priming_batches": 1}


def small(name: str):
    """The config of a small network, without dropout."""
    fields = field_names(MODELS.get(name).config)
    sizes = {field: value for field, value in SIZES.items() if field in fields}
    return MODELS.get(name).config(**sizes, **{field: 0.0 for field in fields if "dropout" in field})


@pytest.mark.parametrize("name", NAMES)
def test_it_is_trained_with_dendrites_saved_and_predicts_the_same(name):
    settings = PerforatedSettings(epochs=1, patience=1, **GROWING)
    job = tiny_task(settings, model=MODELS.get(name), config=small(name))
    features = np.random.default_rng(0).normal(size=(len(job.train) + len(job.valid), 3)).astype(np.float32)
    job = replace(
        job,
        train=job.train.with_whole(features[: len(job.train)]),
        valid=job.valid.with_whole(features[len(job.train) :]),
    )
    fitted = METHODS.get("perforated").fit(job)
    assert next(event["event"] for event in fitted.details["events"]) == "accept"
    scores, state = fitted.predict(job.valid), fitted.state()
    assert scores.shape == job.valid.y.shape
    np.testing.assert_allclose(restored(state, job.model, job.kind)(job.valid), expit(scores), rtol=1e-5, atol=1e-6)
    if name != "features-only":
        vectors = encoder(state, job.model)(job.valid)
        assert len(vectors) == len(job.valid)
        assert vectors.shape[1] > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_grown_one_is_exported_and_written_bit_for_bit(name, tmp_path):
    dims, batch = Dims(DIMS.node, DIMS.edge, DIMS.tasks, graph=DIMS.node), as_batch(molecules([5, 3, 4]))

    def perforated():
        torch.manual_seed(0)
        network = MODELS.get(name).build(dims, small(name))
        return perforate(network, sites_in(MODELS.get(name), network))

    grown = Growth(
        perforated(),
        lambda groups: torch.optim.Adam(groups, lr=1e-2),
        max_dendrites=1,
        max_epochs=1,
        cycle_epochs=1,
        dendrite_max_epochs=1,
        priming_batches=0,
    )
    while not grown.finished:
        grown.step(lambda model, batch: (model(batch) - 1.0).square().mean(), batch)
        grown.epoch_end(float(grown.epoch))
    assert all(len(site.dendrites) == 1 for site in grown.sites.values())
    with torch.no_grad():
        for site in grown.sites.values():
            for w in site.w:
                w.normal_()
    plain = export(grown.model)
    assert not any(isinstance(part, PerforatedSite) for part in plain.modules())
    save_network(grown.model, tmp_path / "network")
    loaded = load_network(perforated(), tmp_path / "network")
    for training in (True, False):
        made = [copy.deepcopy(one).train(training)(batch) for one in (grown.model, plain, loaded)]
        assert made[0].shape == (MEMBERS, 3, DIMS.tasks)
        assert torch.equal(made[0], made[1])
        assert torch.equal(made[0], made[2])


def test_what_it_predicts_is_the_mean_of_its_members_probabilities():
    made = tiny_task(PerforatedSettings()).valid
    network = MODELS.get("gcn").build(Dims(made.node_dim, made.edge_dim, 2), small("gcn")).eval()
    members = torch.sigmoid(network(made.as_batch()))
    assert members.shape == (MEMBERS, len(made), 2)
    np.testing.assert_allclose(expit(predict(network, made, "classification")), members.mean(0).detach(), atol=1e-6)
