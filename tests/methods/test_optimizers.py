"""At which rates the parameters of a network learn, and towards which targets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pbgraph.errors import UsageError
from pbgraph.features.graphs import GRAPH
from pbgraph.methods.base import METHODS, FitJob, PairedRun
from pbgraph.methods.optimizers import make_optimizer
from pbgraph.methods.perforated import PerforatedSettings
from pbgraph.methods.restore import restored
from pbgraph.methods.training import TrainSettings, build_model, make_loss, parameter_count, train_step
from pbgraph.methods.widened import widened
from pbgraph.models.base import MODELS
from tiny_task import tiny_regression, tiny_task

PACKED = {"hidden": 4, "head": "packed", "head_members": 2, "head_hidden": 4}
SHORT = {"epochs": 2, "patience": 2}
GROWING = {"max_dendrites": 1, "cycle_epochs": 2, "dendrite_epochs": 2, "dendrite_patience": 2, "priming_batches": 1}


def with_features(store):
    features = np.random.default_rng(len(store)).normal(size=(len(store), 3))
    return replace(store, graph_attr=torch.from_numpy(features.astype(np.float32)))


def packed_job(settings, make=tiny_task, model="gcn"):
    """The small task with features of whole molecules, for a network with a packed head."""
    job = make(settings, model=MODELS.get(model), config=MODELS.get(model).config(**PACKED))
    return replace(job, train=with_features(job.train), valid=with_features(job.valid))


def first_step(settings):
    """How far the first step of AdamW, which is one learning rate long, moves each parameter."""
    job = packed_job(settings)
    model = build_model(job)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = make_optimizer(settings, model)(model.parameters())
    torch.manual_seed(0)
    train_step(model, optimizer, make_loss(job), batch=job.train.as_batch(), settings=settings)
    return {name: (p.detach() - before[name]).abs().max().item() for name, p in model.named_parameters()}


def test_the_head_learns_at_its_own_rate():
    moved = first_step(TrainSettings(learning_rate=1e-3, head_rate=5.0))
    assert {name: value for name, value in moved.items() if name.startswith("head.")} == pytest.approx(
        {name: 5e-3 for name in moved if name.startswith("head.")}, rel=0.02
    )
    assert moved["convs.0.lin.weight"] == pytest.approx(1e-3, rel=0.02)


def test_a_head_at_rate_0_stays_as_it_is_to_the_end():
    job = packed_job(TrainSettings(**SHORT, head_rate=0.0, schedule="cosine"))
    start = build_model(job).state_dict()
    weights = METHODS.get("backprop").fit(job).state()["network"]
    same = {name for name in start if torch.equal(start[name], weights[name])}
    assert same == {name for name in start if name.startswith("head.")}


def test_growth_rebuilds_its_optimisers_with_the_head_at_its_rate():
    job = packed_job(PerforatedSettings(**SHORT, **GROWING, head_rate=0.0))
    start, fitted = build_model(job).state_dict(), METHODS.get("perforated").fit(job)
    assert fitted.details["events"][0]["event"] == "accept"
    weights = fitted.state()["network"]["weights"]
    for name in ("weight", "bias"):
        assert torch.equal(weights[f"head.logits.parent.{name}"], start[f"head.logits.{name}"])


def test_a_network_without_a_head_by_name_says_so():
    job = tiny_task(TrainSettings(head_rate=2.0))
    model = build_model(job)
    with pytest.raises(UsageError, match="TinyNet has no part named head, hidden, logits"):
        make_optimizer(job.settings, model)(model.parameters())


def test_smoothed_labels_lie_between_0_and_1_and_blanks_stay_blank():
    job = tiny_task(TrainSettings(label_smoothing=0.2))
    model, batch = build_model(job).eval(), job.train.as_batch()
    measured = ~batch.y.isnan()
    expected = F.binary_cross_entropy_with_logits(model(batch)[measured], 0.1 + 0.8 * batch.y[measured])
    torch.testing.assert_close(make_loss(job)(model, batch), expected)


@pytest.mark.parametrize("wrong", [{"head_rate": -1.0}, {"label_smoothing": 1.0}, {"label_smoothing": -0.1}])
def test_wrong_rates_and_smoothing_are_refused(wrong):
    with pytest.raises(UsageError, match=f"setting {next(iter(wrong))}"):
        TrainSettings(**wrong)


def test_values_are_not_smoothed():
    with pytest.raises(UsageError, match=r"label_smoothing is 0\.1, and these are regression tasks"):
        make_loss(tiny_regression(TrainSettings(loss="squared-error", label_smoothing=0.1)))


@pytest.mark.parametrize(("make", "loss"), [(tiny_task, "bce"), (tiny_regression, "squared-error")])
@pytest.mark.parametrize("method", ["backprop", "perforated", "gd-dendrites", "ensemble"])
def test_methods_train_save_and_restore_a_packed_head(method, make, loss):
    chosen = METHODS.get(method)
    growing = GROWING if chosen.settings is PerforatedSettings else {}
    job = packed_job(chosen.settings(**SHORT, **growing, loss=loss), make)
    if chosen.control_of:
        job = replace(job, paired=PairedRun(2 * parameter_count(build_model(job)), ()))
    fitted = chosen.fit(job)
    scores = fitted.predict(job.valid)
    assert scores.shape == job.valid.y.shape
    again = restored(fitted.state(), job.model, job.kind)(job.valid)
    expected = 1 / (1 + np.exp(-scores)) if job.kind == "classification" and method != "ensemble" else scores
    np.testing.assert_allclose(again, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["trimnet", "gps", "mpnn", "features-only"])
def test_a_network_with_a_packed_head_can_be_widened(name):
    """Where its own head, which is not built, would hold the fine width, the packed head's is taken."""
    store = GRAPH.featurise(["CCO", "c1ccccc1O"], np.zeros((2, 12), np.float32))
    store = replace(store, graph_attr=torch.zeros(2, 40))
    model = MODELS.get(name)
    config = model.config(head="packed", head_hidden=32)
    job = FitJob(model, config, None, store, store, 0, lambda y, scores: None)
    wanted = int(1.37 * parameter_count(build_model(job)))
    wide = widened(replace(job, paired=PairedRun(wanted, ())))
    assert parameter_count(build_model(wide)) == pytest.approx(wanted, rel=0.01)
