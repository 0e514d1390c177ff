import copy
import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from dendrite_networks import (
    SHORT,
    SITES,
    Network,
    adam,
    batch,
    epoch,
    growth,
    network,
    run_until,
    same,
    sgd,
    square_loss,
    weights,
)
from pbgraph.dendrites import Growth, GrowthSettings, SiteError, TrainingError, perforate
from pbgraph.errors import PbgraphError, UsageError

BATCHES = [batch(0), batch(1)]
SCORES = [0.1, 0.3, 0.2, 0.25]


@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_without_dendrites_growth_is_a_plain_loop_bit_for_bit(clip_norm):
    """Training, schedule and restored weights, with dropout and batch normalisation."""
    torch.manual_seed(0)
    plain = Network(dropout=0.5, norm=True)
    wrapped = perforate(copy.deepcopy(plain), SITES)
    batches = [batch(seed, dtype=torch.float32) for seed in (0, 1)]
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0.1)
    scheduler = LambdaLR(optimizer, lambda step: 1 / (step + 1))
    losses, best = [], None
    for number, score in enumerate(SCORES):
        plain.train()
        for step, one in enumerate(batches):
            torch.manual_seed(10 * number + step)
            optimizer.zero_grad()
            loss = square_loss(plain, one)
            loss.backward()
            if clip_norm:
                nn.utils.clip_grad_norm_(plain.parameters(), clip_norm)
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach())
        if score == max(SCORES):
            best = weights(plain)
    grown = Growth(
        wrapped,
        adam,
        settings=GrowthSettings(max_dendrites=0, patience=2, clip_norm=clip_norm),
        make_scheduler=lambda optimizer, phase, dendrites: LambdaLR(optimizer, lambda step: 1 / (step + 1)),
    )
    own = []
    for number, score in enumerate(SCORES):
        for step, one in enumerate(batches):
            torch.manual_seed(10 * number + step)
            own.append(grown.step(square_loss, one))
        status = grown.epoch_end(score)
    assert same(own, losses)
    assert status.finished
    assert status.switched == "finish"
    grown.restore_best()
    assert same({name.replace(".parent", ""): value for name, value in weights(grown.model).items()}, best)


def test_step_returns_the_tasks_loss_in_either_phase():
    grown = growth(network())
    for phase in ("neuron", "dendrite"):
        run_until(grown, phase=phase)
        expected = square_loss(grown.model.train(), batch(3)).detach()
        loss = grown.step(square_loss, batch(3))
        assert torch.equal(loss, expected)
        assert not loss.requires_grad


def test_the_neuron_phase_trains_network_and_output_weights_and_nothing_else():
    grown = run_until(growth(network()), phase="neuron", dendrites=1)
    before = weights(grown.model)
    for one in (*BATCHES, *BATCHES):
        grown.step(square_loss, one)
    changed = {name for name, value in weights(grown.model).items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if ".dendrites." not in name}


def test_restore_best_gives_structure_and_weights_of_the_best_epoch():
    """The best network has one dendrite; growth ends with it although a second one was tried."""
    grown = growth(network(), max_epochs=1, cycle_epochs=2, patience=9, max_tries=1, max_dendrites=5)
    scores = iter([0.1, 0.5, 0.2, 0.3, 0.3])
    best = None
    while not grown.finished:
        phase = grown.phase
        for one in BATCHES:
            grown.step(square_loss, one)
        here = weights(grown.model)
        status = grown.epoch_end(next(scores) if phase == "neuron" else None)
        best = here if status.improved else best
    assert grown.best_score == 0.5
    grown.restore_best()
    assert grown.dendrites == 1
    assert same(weights(grown.model), best)
    grown.restore_best()
    assert same(weights(grown.model), best)


def test_dendrite_phases_start_from_the_best_weights():
    grown = growth(network(), max_epochs=3, patience=9)
    best = None
    for score in (0.1, 0.9, 0.2):
        for one in BATCHES:
            grown.step(square_loss, one)
        best = weights(grown.model) if score == 0.9 else best
        grown.epoch_end(score)
    assert grown.phase == "dendrite"
    after = {name: value for name, value in weights(grown.model).items() if ".candidates." not in name}
    assert same(after, best)


def test_restore_best_in_the_middle_of_a_dendrite_phase_ends_growth():
    grown = run_until(growth(network()), phase="dendrite")
    grown.step(square_loss, batch())
    grown.restore_best()
    assert all(len(site.candidates) == 0 for site in grown.sites.values())
    assert all(parameter.requires_grad for parameter in grown.model.parameters())
    for call in (lambda: grown.step(square_loss, batch()), lambda: grown.epoch_end(1.0)):
        with pytest.raises(TrainingError, match="growth is finished"):
            call()


def test_optimiser_and_schedule_are_new_at_every_switch():
    made = []

    def make_optimizer(groups):
        made.append([sum(p.numel() for p in group["params"]) for group in groups])
        return torch.optim.AdamW(groups, lr=0.01, weight_decay=0.5)

    seen = []

    def make_scheduler(optimizer, phase, dendrites):
        seen.append((phase, dendrites))
        return LambdaLR(optimizer, lambda step: 0.5**step) if phase == "neuron" else None

    model = network()
    plain = sum(parameter.numel() for parameter in model.parameters())
    grown = Growth(model, make_optimizer, settings=GrowthSettings(**SHORT), make_scheduler=make_scheduler)
    rates = []
    while not grown.finished:
        for one in BATCHES:
            rates.append((grown.phase, grown._training.steps, grown.optimizer.param_groups[0]["lr"]))
            grown.step(square_loss, one)
            assert grown.learning_rate == rates[-1][2]
        grown.epoch_end(float(grown.epoch))
    assert seen == [("neuron", 0), ("dendrite", 0), ("neuron", 1), ("dendrite", 1), ("neuron", 2)]
    assert all(rate == (0.01 * 0.5**step if phase == "neuron" else 0.01) for phase, step, rate in rates)
    channels = 4 + 4 + 4 + 2
    assert made == [[plain], [plain], [plain, channels], [plain + channels], [plain, 2 * channels]]


def test_output_weights_are_never_decayed_whatever_the_optimisers_default():
    grown = run_until(growth(network(), max_dendrites=1), phase="neuron", dendrites=1)
    others, w = grown.optimizer.param_groups
    assert (others["weight_decay"], w["weight_decay"]) == (0.1, 0.0)
    assert {id(p) for p in w["params"]} == {id(site.w[0]) for site in grown.sites.values()}


def test_statuses_tell_what_each_epoch_brought():
    grown = growth(network(), max_epochs=1, cycle_epochs=1, max_dendrites=1, dendrite_max_epochs=1)
    status, _ = epoch(grown, 0.5)
    assert (status.phase, status.dendrites, status.best_score, status.improved) == ("dendrite", 0, 0.5, True)
    assert (status.switched, status.finished, status.site_scores) == ("grow", False, {})
    status, _ = epoch(grown, None)
    assert (status.phase, status.dendrites, status.best_score, status.improved) == ("neuron", 1, 0.5, False)
    assert (status.switched, status.finished) == ("accept", False)
    assert list(status.site_scores) == SITES
    assert all(0 < score <= 1 for score in status.site_scores.values())
    assert grown.best_epoch == 0
    status, _ = epoch(grown, 0.6)
    assert (status.switched, status.finished, grown.best_epoch) == ("finish", True, 2)


def test_several_growths_live_in_one_process():
    """Two models trained in turn go the same way as each alone."""

    def run(count):
        grown = [growth(network(seed)) for seed in range(count)]
        while not grown[0].finished:
            for one in grown:
                epoch(one, float(one.epoch))
        return weights(grown[0].model)

    assert same(run(1), run(3))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_phase_and_step_and_changes_nothing(bad):
    grown = growth(network())
    for phase in ("neuron", "dendrite"):
        run_until(grown, phase=phase)
        grown.step(square_loss, batch())
        before = grown.state_dict()
        with pytest.raises(TrainingError, match=f"the loss is {bad} at step 1 of a {phase} phase"):
            grown.step(lambda model, batch: square_loss(model, batch) * bad, batch())
        assert same(grown.state_dict(), before)


@pytest.mark.parametrize("score", [math.nan, math.inf, None])
def test_a_score_that_is_not_finite_is_an_error(score):
    grown = growth(network())
    with pytest.raises(TrainingError, match=f"the validation score is {score}"):
        grown.epoch_end(score)


def test_a_model_without_a_site_is_an_error():
    with pytest.raises(SiteError, match=r"no site of dendrites: call perforate\(model, sites\)"):
        Growth(Network(), sgd())


def test_a_site_that_is_never_called_is_an_error_at_the_end_of_the_first_epoch():
    class Idle(Network):
        def forward(self, x, edge_index):
            return self.decode(torch.tanh(self.encode(x)))

    grown = growth(perforate(Idle().double(), SITES))
    grown.step(square_loss, batch())
    with pytest.raises(SiteError, match="site 'conv' was never called"):
        grown.epoch_end(1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_dendrites", -1),
        ("max_tries", 0),
        ("patience", 0),
        ("max_epochs", 0),
        ("cycle_epochs", 0),
        ("dendrite_patience", 0),
        ("dendrite_max_epochs", -1),
        ("init_scale", 0.0),
        ("snapshot", "epoch"),
        ("switching", "never"),
        ("errors", "none"),
        ("initial_w", -0.1),
        ("accumulate", 0),
        ("threshold", -0.1),
        ("priming_batches", -1),
        ("activation", "gelu"),
        ("objective", "mean"),
        ("pool", 0),
        ("clip_norm", -1.0),
    ],
)
def test_settings_out_of_range_are_errors_that_name_them(name, value):
    with pytest.raises(UsageError, match=f"setting {name} is {value!r}"):
        GrowthSettings(**{name: value})


def test_errors_are_the_projects():
    assert issubclass(SiteError, PbgraphError)
    assert issubclass(TrainingError, PbgraphError)


def test_weights_are_adopted_before_the_first_step_alone():
    grown = growth(network())
    wanted = {name: torch.full_like(value, 0.25) for name, value in grown.model.state_dict().items()}
    grown.adopt(wanted, square_loss, batch())
    assert all(torch.equal(value, wanted[name]) for name, value in grown.model.state_dict().items())
    with pytest.raises(TrainingError, match="adopt\\(\\) was called after the first step"):
        grown.adopt(wanted, square_loss, batch())
    grown.count_epoch(loss=0.5, learning_rate=0.125)
    grown.epoch_end(0.75)
    (row,) = grown.history
    assert (row["loss"], row["learning_rate"], row["score"]) == (0.5, 0.125, 0.75)
    assert all(torch.equal(value, wanted[name]) for name, value in grown.best_weights.items())
